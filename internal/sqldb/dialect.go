package sqldb

import (
	"context"
	"database/sql"
	"time"
)

// dialect holds the few words and ways in which the engines differ.
type dialect struct {
	name       string
	goose      string
	words      []string // old, new, old, new …: words of the migrations
	skipLocked string
	oneWriter  bool
	open       func(source string) (read, write *sql.DB, err error)
	again      func(error) bool // the transaction failed through no fault of its own: run it again
	duplicate  func(error) bool // a unique key is there already
	writer     func(context.Context, *DB) (Writer, error)
	horizon    func(ctx context.Context, db *DB) (time.Time, error)
}
