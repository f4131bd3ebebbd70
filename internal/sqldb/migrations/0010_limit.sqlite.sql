-- +goose Up
-- What customers paid, by customer and currency.
CREATE TABLE limit_counters (
    id                     ID PRIMARY KEY,
    counted_on             TEXT NOT NULL,
    day_sums               TEXT NOT NULL,
    year_sums              TEXT NOT NULL,
    lifetime_sums          TEXT NOT NULL,
    since_two_factors_sums TEXT NOT NULL
) CLUSTERED;

-- Figures that staff set for rules; amount_minor −1 is the preset's again.
CREATE TABLE limit_changes (
    id           ID PRIMARY KEY,
    rule_id      TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN -1 AND 9007199254740991),
    effective_at BIGINT NOT NULL,
    staff_id     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    created_at   BIGINT NOT NULL
) CLUSTERED;
