package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func exec(t *testing.T, db *sqldb.DB, text string, args ...any) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), text, args...)
		return err
	})
}

func count(t *testing.T, db *sqldb.DB, text string) int {
	t.Helper()
	var n int
	if err := db.Read.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// twiceNoted counts the migrations that were done more than once.
const twiceNoted = "SELECT count(*) - count(DISTINCT version_id) FROM goose_db_version"

// TestMigrateAgain: what is new is done once; a second time, also by another process, changes nothing.
func TestMigrateAgain(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			url := sqldbtest.URL(t, engine)
			db, err := sqldb.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			applied, newest, err := db.SchemaVersion(t.Context())
			if err != nil || applied != newest || newest == 0 {
				t.Fatalf("version %d of %d, %v", applied, newest, err)
			}
			if err := exec(t, db, "INSERT INTO leases (name, holder, expires_at) VALUES ('l', 'h', 1)"); err != nil {
				t.Fatal(err)
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			other, err := sqldb.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			again, _, err := other.SchemaVersion(t.Context())
			if err != nil || again != applied || count(t, other, "SELECT count(*) FROM leases") != 1 {
				t.Errorf("version %d, before %d, %v", again, applied, err)
			}
			if n := count(t, other, twiceNoted); n != 0 {
				t.Errorf("%d migrations were done twice", n)
			}
		})
	}
}

// TestImmutable: what is posted and what is signed can't be changed, not even by hand.
func TestImmutable(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		for _, text := range []string{
			`INSERT INTO transfers (id, code, subject, debit_account, credit_account, amount_minor, currency,
				debit_n, debit_balance, debit_prev, debit_jump, credit_n, credit_balance, credit_prev, credit_jump,
				posted_at, business_on, salt, group_id, leaf)
				VALUES ('ent_1.0', 'test', 's', '1001:CNY', '2001:CNY:c', 7, 'CNY', 1, 7, '', '', 1, 7, '', '', 1, '2026-01-01', '', '', 0)`,
			`INSERT INTO log_checkpoints (size, root, note, created_at) VALUES (1, 'r', 'n', 1)`,
		} {
			if err := exec(t, db, text); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range []string{
			"UPDATE transfers SET amount_minor = 8", "UPDATE transfers SET subject = subject", "DELETE FROM transfers",
			"UPDATE log_checkpoints SET note = 'm'", "DELETE FROM log_checkpoints", "DELETE FROM log_checkpoints WHERE size = 1",
		} {
			if err := exec(t, db, text); err == nil || !strings.Contains(err.Error(), "are immutable") {
				t.Errorf("%s: %v", text, err)
			}
		}
		if n := count(t, db, "SELECT count(*) FROM transfers WHERE amount_minor = 7 AND subject = 's'"); n != 1 {
			t.Errorf("%d transfers are as they were", n)
		}
		if n := count(t, db, "SELECT count(*) FROM log_checkpoints WHERE note = 'n'"); n != 1 {
			t.Errorf("%d checkpoints are as they were", n)
		}
	})
}

// TestReadCannotWrite: the connections for queries refuse to change anything.
func TestReadCannotWrite(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		_, err := db.Read.ExecContext(t.Context(), "INSERT INTO leases (name, holder, expires_at) VALUES ('l', 'h', 1)")
		if err == nil || count(t, db, "SELECT count(*) FROM leases") != 0 {
			t.Errorf("err = %v", err)
		}
	})
}

func TestFault(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		insert := "INSERT INTO leases (name, holder, expires_at) VALUES ('l', 'h', 1)"
		if err := exec(t, db, insert); err != nil {
			t.Fatal(err)
		}
		primary := exec(t, db, insert)
		customer := "INSERT INTO customers (id, phone, name, password_hash, failures, locked_until, state, created_at) VALUES ($1, '+86', '', '', 0, 0, '', 0)"
		if err := exec(t, db, customer, "a"); err != nil {
			t.Fatal(err)
		}
		unique := exec(t, db, customer, "b")
		known := fault.New(fault.Forbidden, "test.known", "known")
		missing := db.Read.QueryRowContext(t.Context(), "SELECT nothing FROM nowhere").Err()
		check := exec(
			t,
			db,
			"INSERT INTO merchants (id, name, fee_bps, fee_fixed_minor, advance_minor, state, created_at) VALUES ('m', '', -1, 0, 0, '', 0)",
		)
		for name, test := range map[string]struct {
			err  error
			kind fault.Kind
			code string
		}{
			"primary key": {primary, fault.Conflict, "database.duplicate"},
			"unique":      {unique, fault.Conflict, "database.duplicate"},
			"no rows":     {db.Fault(fmt.Errorf("read: %w", sql.ErrNoRows)), fault.NotFound, "not_found"},
			"again":       {db.Fault(errors.Join(sqldb.ErrAgain, errors.New("lost"))), fault.Unavailable, "database.unreachable"},
			"known":       {db.Fault(fmt.Errorf("act: %w", known)), fault.Forbidden, "test.known"},
			"check":       {check, fault.Internal, "internal"},
			"bad text":    {db.Fault(missing), fault.Internal, "internal"},
		} {
			if fault.KindOf(test.err) != test.kind || fault.CodeOf(test.err) != test.code {
				t.Errorf("%s: %v", name, test.err)
			}
		}
		if !db.Duplicate(primary) || !db.Duplicate(unique) || db.Duplicate(check) || db.Fault(nil) != nil {
			t.Error("a duplicate is not known, or another error is taken for one")
		}
	})
}

// TestWriteAgain: what the engine refuses for another's sake is run again, and in the end told as such.
func TestWriteAgain(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, "postgres")
	for _, code := range []string{"40001", "40P01", "55P03"} {
		runs := 0
		fails := func(times int) error {
			runs = 0
			return db.Write(t.Context(), func(tx *sql.Tx) error {
				if runs++; runs > times {
					return nil
				}
				_, err := tx.ExecContext(t.Context(), "DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '"+code+"'; END $$")
				return err
			})
		}
		if err := fails(3); err != nil || runs != 4 {
			t.Errorf("%s three times: %v after %d runs", code, err, runs)
		}
		if err := fails(100); fault.CodeOf(err) != "database.contention" || fault.From(err).RetryAfter <= 0 || runs > 20 {
			t.Errorf("%s always: %v after %d runs", code, err, runs)
		}
	}
}

// TestBadURL: what is wrong is said, and no error shows the password.
// TestWriteValues puts in and reads back each kind of value on the connection that workers write on.
func TestWriteValues(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		must := func(result sql.Result, err error) int64 {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			n, err := result.RowsAffected()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		type values struct {
			Text string
			None sql.NullString
			Raw  []byte
			Int  int64
			Flag bool
		}
		want := values{Text: "面 \x00$1", Raw: []byte{0, 1, 255}, Int: -1 << 60, Flag: true}
		if db.Engine() == "postgres" {
			want.Text = "面 $1" // no zero bytes in its text
		}
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			must(tx.ExecContext(t.Context(), "CREATE TABLE vals (flag BOOLEAN, raw BYTEA, txt TEXT, none TEXT, num BIGINT)"))
			for range 2 {
				must(tx.ExecContext(t.Context(), "INSERT INTO vals (flag, raw, txt, none, num) VALUES ($5, $3, $1, $2, $4)",
					want.Text, nil, want.Raw, want.Int, want.Flag))
			}
			if n := must(tx.ExecContext(t.Context(), "UPDATE vals SET num = num WHERE flag = $1", true)); n != 2 {
				t.Errorf("changed %d rows, want 2", n)
			}
			if n := must(tx.ExecContext(t.Context(), "DELETE FROM vals WHERE num = 7")); n != 0 {
				t.Errorf("deleted %d rows, want none", n)
			}
			var got values
			err := tx.QueryRowContext(t.Context(), "SELECT txt, none, raw, num, flag FROM vals WHERE num = $1", want.Int).
				Scan(&got.Text, &got.None, &got.Raw, &got.Int, &got.Flag)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("read %+v, %v, want %+v", got, err, want)
			}
			err = tx.QueryRowContext(t.Context(), "SELECT txt FROM vals WHERE num = 7").Scan(&got.Text)
			if !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("no row: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestWriteCancelled ends the context within a worker's transaction: nothing of it stays, and the next ones go on.
func TestWriteCancelled(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		const insert = "INSERT INTO leases (name, holder, expires_at) VALUES ($1, '', 0)"
		for i := range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			err := db.Write(ctx, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, insert, fmt.Sprint("gone", i)); err != nil {
					return err
				}
				cancel()
				_, err := tx.ExecContext(ctx, insert, fmt.Sprint("late", i))
				return err
			})
			cancel()
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("err = %v", err)
			}
			if err := exec(t, db, insert, fmt.Sprint("kept", i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, db, "SELECT count(*) FROM leases WHERE name LIKE 'kept%'"); n != 50 {
			t.Errorf("%d kept, want 50", n)
		}
		if n := count(t, db, "SELECT count(*) FROM leases WHERE name LIKE 'gone%' OR name LIKE 'late%'"); n != 0 {
			t.Errorf("%d of cancelled transactions", n)
		}
	})
}

func TestBadURL(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	for _, test := range []struct{ url, code string }{
		{"", "database.bad_url"},
		{"mysql://feiqian:" + password + "@127.0.0.1/x", "database.bad_url"},
		{"POSTGRES://feiqian:" + password + "@127.0.0.1/x", "database.bad_url"},
		{"postgres://feiqian:" + password + "@127.0.0.1:port/x", "database.bad_url"},
		{"postgres://feiqian:" + password + "@[::1/x", "database.bad_url"},
		{"postgres://feiqian:" + password + "%zz@127.0.0.1/x", "database.bad_url"},
		{"postgres://feiqian:" + password + "@127.0.0.1/x?sslmode=" + password, "database.bad_url"},
		{"postgres://feiqian:" + password + "@127.0.0.1:1/x", "database.unreachable"},
		{"postgresql://feiqian:" + password + "@127.0.0.1:1/x?connect_timeout=5", "database.unreachable"},
	} {
		_, err := sqldb.Open(t.Context(), test.url)
		if fault.CodeOf(err) != test.code || fault.From(err).Hint == "" {
			t.Errorf("%s: %v", test.url, err)
		}
		for cause := err; cause != nil; cause = errors.Unwrap(cause) {
			if text := fmt.Sprintf("%v %+v %s %q", cause, cause, cause, cause); strings.Contains(text, password) {
				t.Errorf("%s: the password is in %s", test.url, text)
			}
		}
	}
}

// TestOpenMakesFolder: the first start needs no preparation, and nobody else may look in.
func TestOpenMakesFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir() + "/a/b"
	db, err := sqldb.Open(t.Context(), "sqlite:"+folder+"/x.db")
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	if info, err := os.Stat(folder); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestSettle: a group that is there was committed; one that is not never will be.
func TestSettle(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		if err := exec(
			t,
			db,
			"INSERT INTO commit_groups (id, committed_at, leaf_count) VALUES ('grp_there', 1, 0)",
		); err != nil {
			t.Fatal(err)
		}
		writer, err := db.NewWriter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		for range 2 {
			if committed, err := writer.Settle(t.Context(), "grp_there"); err != nil || !committed {
				t.Errorf("there: %v, %v", committed, err)
			}
		}
		for range 2 { // again, as after a lost answer: its own tombstone is no commit
			if committed, err := writer.Settle(t.Context(), "grp_lost"); err != nil || committed {
				t.Errorf("lost: %v, %v", committed, err)
			}
		}
		if db.Engine() == "sqlite" {
			return // its one writer knows that nothing is under way
		}
		late := commitGroup(t.Context(), writer, "grp_lost")
		if !errors.Is(late, sqldb.ErrAgain) {
			t.Errorf("the lost group commits after all: %v", late)
		}
		writer.Rollback(t.Context())
	})
}

func commitGroup(ctx context.Context, writer sqldb.Writer, group string) error {
	if err := writer.Lock(ctx, nil); err != nil {
		return err
	}
	return writer.Commit(ctx, []sqldb.Write{{
		Table: &sqldb.Table{Name: "commit_groups", Columns: []sqldb.Column{
			{Name: "id"}, {Name: "committed_at", Kind: sqldb.Int}, {Name: "leaf_count", Kind: sqldb.Int},
		}},
		Rows: 1, Values: []any{[]string{group}, []int64{1}, []int64{0}},
	}})
}
