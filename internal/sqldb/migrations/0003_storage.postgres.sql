-- +goose Up
-- Rows that many commits change keep room on their page, so that a change touches no index.
ALTER TABLE accounts SET (fillfactor = 50);
ALTER TABLE devices SET (fillfactor = 70);
ALTER TABLE payments SET (fillfactor = 90);
-- Events are written once and read seldom: compression would cost the commit path more than it saves.
ALTER TABLE events ALTER COLUMN items SET STORAGE EXTERNAL;
