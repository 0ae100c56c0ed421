"""Flow records as NetFlow v9 and IPFIX carry them: columns, layouts, templates."""
