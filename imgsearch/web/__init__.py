"""The web page: what a person sees of a library in a browser, and the same as JSON.

Every state is an address (`imgsearch.question`); pages are rendered on the server and work
without JavaScript. Nothing is fetched from another host, and nothing outside a library's folder is
shown."""
