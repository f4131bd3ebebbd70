-- +goose Up
-- The sites that may show a merchant's checkout page within their own pages, as JSON; one row for each merchant that
-- named some, under its id.
CREATE TABLE checkout_origins (
    id         ID PRIMARY KEY,
    origins    TEXT NOT NULL,
    changed_at BIGINT NOT NULL
) CLUSTERED;
