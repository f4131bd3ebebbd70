package sqldb_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/sqldb"
)

// fill makes the log some 24 MB longer.
func fill(t *testing.T, db *sqldb.DB) {
	t.Helper()
	for range 6 {
		err := exec(t, db, "INSERT INTO filler (data) "+
			"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT randomblob(4000) FROM n")
		if err != nil {
			t.Fatal(err)
		}
	}
}

// settled waits until the log holds less than a round's worth that is not in the file.
func settled(t *testing.T, db *sqldb.DB) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var busy, pages, moved int
		if err := db.Read.QueryRow("PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &pages, &moved); err != nil {
			t.Fatal(err)
		}
		if pages-moved < 8192 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d pages of the log, %d of them in the file", pages, moved)
		}
	}
}

// TestCheckpoint: the log is moved into the file beside the writer and starts again; a reader that stays holds it up and
// keeps nobody from writing.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "f.db")
	db, err := sqldb.Open(t.Context(), "sqlite:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := exec(t, db, "CREATE TABLE filler (data BLOB)"); err != nil {
		t.Fatal(err)
	}
	logSize := func() int64 {
		info, err := os.Stat(file + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}

	for range 6 { // 144 MB: less than what makes the writer move the log itself
		fill(t, db)
		settled(t, db)
	}
	if size := logSize(); size > 100<<20 {
		t.Errorf("the log is %d MB long: it never started again", size>>20)
	}

	reader, err := db.Read.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback()
	var before, after int
	if err := reader.QueryRow("SELECT count(*) FROM filler").Scan(&before); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		fill(t, db)
	}
	if err := reader.QueryRow("SELECT count(*) FROM filler").Scan(&after); err != nil || after != before {
		t.Errorf("the reader sees %d rows, then %d, %v", before, after, err)
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	settled(t, db)
	if rows := count(t, db, "SELECT count(*) FROM filler"); rows != 60_000 {
		t.Errorf("%d rows", rows)
	}
}
