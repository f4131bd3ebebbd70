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
	open       func(source string, db *DB) error // sets the ways in
	again      func(error) bool                  // the transaction failed through no fault of its own: run it again
	duplicate  func(error) bool                  // a unique key is there already
	writer     func(context.Context, *DB) (Writer, error)
	migrator   func(*DB) (on *sql.DB, done func(), err error) // where goose runs
	horizon    func(ctx context.Context, db *DB) (time.Time, error)
}
