"""Where models come from: folders, the hub, the embedded default; devices, start tokens, chat templates. No backend."""
