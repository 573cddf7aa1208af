-- The number of the last report of a command that was taken: one that comes again is taken once.
ALTER TABLE commands ADD COLUMN reported BIGINT NOT NULL DEFAULT 0;

-- What a command gave besides words, in pieces by the place of their first octet.
CREATE TABLE command_data (
    network TEXT NOT NULL,
    command TEXT NOT NULL,
    place BIGINT NOT NULL,
    octets BYTEA NOT NULL,
    PRIMARY KEY (network, command, place)
);
