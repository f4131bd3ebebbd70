-- +goose Up
-- What staff have taken down: a payment's page, a payment link or a merchant's code, under its id. lifted_at 0 is in force.
CREATE TABLE take_downs (
    id          ID PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    reason      TEXT NOT NULL,
    note        TEXT NOT NULL,
    taken_by    TEXT NOT NULL,
    taken_at    BIGINT NOT NULL,
    lifted_at   BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX take_downs_in_force ON take_downs (taken_at, id) WHERE lifted_at = 0;
