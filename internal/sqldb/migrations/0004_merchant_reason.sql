-- +goose Up
-- Why staff froze or thawed a merchant; staff read it, nobody else.
ALTER TABLE merchants ADD COLUMN state_reason TEXT NOT NULL DEFAULT '';
