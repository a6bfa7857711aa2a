"""How ingest shows Azure who it is: tokens made with a key, or fetched for a Microsoft Entra identity."""
