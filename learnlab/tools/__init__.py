"""Tools for agents: handing in feedback, asking what was tried before, asking who should do a task, over MCP."""
