-- When GitHub's list of deliveries was last read to its end. One row.
CREATE TABLE recovery (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    looked BIGINT NOT NULL
);
