-- +goose Up
-- Orders by card: whose agreement they count in and on which day, so that a refused debit is given back there.
ALTER TABLE attempts ADD COLUMN card_id TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN used_on TEXT NOT NULL DEFAULT '';
ALTER TABLE top_ups ADD COLUMN card_id TEXT NOT NULL DEFAULT '';
ALTER TABLE payouts ADD COLUMN card_id TEXT NOT NULL DEFAULT '';
