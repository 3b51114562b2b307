"""Filters over HTTP: messages, long filters by POST, paging, CRSs, tiles, documents."""
