"""`imgsearch watch`: what changes in libraries' folders is ingested."""
