-- +goose Up
-- The newest change of each rule, so that a decision sees whether a figure changed since somebody looked: changes
-- themselves are appended and never read by one. A rule without a row was not changed since there is this table.
CREATE TABLE limit_heads (
    rule_id   ID PRIMARY KEY,
    change_id TEXT NOT NULL
) CLUSTERED;
