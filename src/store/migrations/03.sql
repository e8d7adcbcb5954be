-- Seconds from our detection to the first word of the official status page; null while it has not spoken.
ALTER TABLE incidents ADD COLUMN lead_s INTEGER;
