-- Where the phone was when a record of usage came: its cell, or base station; empty where that was not known.
ALTER TABLE usage_records ADD COLUMN cell TEXT NOT NULL DEFAULT '';
