"""The log over HTTP: requests to calls and results to answers. Only here: status codes, asyncio."""
