"""Questions in words answered by the engine: tools, the guard around them, documents, numbers traced to tools."""
