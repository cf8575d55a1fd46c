"""The Python kernel of guestd: runs cells in this process and reports over pipes, as ../../PROTOCOL.md says."""
