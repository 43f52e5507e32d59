"""Sheets: many small pictures with their labels on one large one."""
