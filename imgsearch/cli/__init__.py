"""The command line. It imports everything; nothing imports it. A command resolves its settings,
opens the parts, calls one core function and renders what came back."""
