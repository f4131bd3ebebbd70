package sqldb

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/feiqian/feiqian/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate moves the schema forward to the newest version. Migrations only move forward, and old code runs
// on the new schema.
func (db *DB) Migrate(ctx context.Context) error {
	provider, err := db.provider()
	if err != nil {
		return err
	}
	if db.dialect.oneWriter {
		db.turn.Lock()
		defer db.turn.Unlock()
	}
	if _, err := provider.Up(ctx); err != nil {
		return fault.New(fault.Internal, "database.migration", "the database schema could not be moved forward").
			WithHint("restore the backup or fix the cause, then start again: what was done stays, the rest goes on").
			WithCause(err)
	}
	return nil
}

// SchemaVersion returns the newest applied migration, and the newest there is.
func (db *DB) SchemaVersion(ctx context.Context) (applied, newest int64, err error) {
	provider, err := db.provider()
	if err != nil {
		return 0, 0, err
	}
	return provider.GetVersions(ctx)
}

func (db *DB) provider() (*goose.Provider, error) {
	texts, err := db.dialect.migrationTexts()
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(database.Dialect(db.dialect.goose), db.write, texts)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return provider, nil
}

// migrationTexts returns the migrations with the dialect's words put in. A file named
// NAME.<engine>.sql is for that engine only.
func (d *dialect) migrationTexts() (fs.FS, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	words := strings.NewReplacer(d.words...)
	out := fstest.MapFS{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".sql")
		if stem, engine, special := strings.Cut(base, "."); special {
			if engine != d.name {
				continue
			}
			base = stem
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		out[base+".sql"] = &fstest.MapFile{Data: []byte(words.Replace(string(text)))}
	}
	return out, nil
}
