-- How often in a row a try of a delivery ended without a word: its process died, or forgot it.
-- Such deliveries are claimed one at a time, so that one that kills does not take others along.
ALTER TABLE deliveries ADD COLUMN deaths BIGINT NOT NULL DEFAULT 0;
CREATE INDEX deliveries_suspect ON deliveries (deaths, sequence) WHERE turn = 1 AND worker IS NOT NULL;
