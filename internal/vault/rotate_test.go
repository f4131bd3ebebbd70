package vault_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

const purpose = "test.secret"

// secrets is a table of sealed values; the text of row k is "secret of k".
func secrets() vault.Sealed {
	return vault.Sealed{Purpose: purpose, Table: "secrets", Key: "id", Column: "sealed"}
}

func execute(t *testing.T, db *sqldb.DB, text string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), text, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// put seals a row by the node and stores it.
func put(t *testing.T, db *sqldb.DB, v *vault.Vault, key string) {
	t.Helper()
	sealed, err := v.Seal(purpose, vault.RowAAD("secrets", "sealed", key), []byte("secret of "+key))
	if err != nil {
		t.Error(err)
		return
	}
	execute(t, db, "INSERT INTO secrets (id, sealed) VALUES ($1, $2)", key, sealed)
}

// check reads a row and opens it by the node.
func check(t *testing.T, db *sqldb.DB, v *vault.Vault, key string) {
	t.Helper()
	var sealed []byte
	err := db.Read.QueryRowContext(t.Context(), "SELECT sealed FROM secrets WHERE id = $1", key).Scan(&sealed)
	if err != nil {
		t.Errorf("read %s: %v", key, err)
		return
	}
	opens(t, v, purpose, string(vault.RowAAD("secrets", "sealed", key)), sealed, "secret of "+key)
}

func keysOf(t *testing.T, v *vault.Vault) []vault.Key {
	t.Helper()
	keys, err := v.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// stored is the table of data keys as text, to see that a refusal wrote nothing.
func stored(t *testing.T, db *sqldb.DB) (text string) {
	t.Helper()
	rows, err := db.Read.QueryContext(t.Context(),
		"SELECT id, state, wrapped, created_at, replaced_at, retired_at, clean_at FROM data_keys ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var textSb80 strings.Builder
	for rows.Next() {
		var (
			id, state string
			wrapped   []byte
			at        [4]int64
		)
		if err := rows.Scan(&id, &state, &wrapped, &at[0], &at[1], &at[2], &at[3]); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&textSb80, id, state, string(wrapped), at)
	}
	text += textSb80.String()
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return text
}

// twoNodes returns two handles on one database, with a vault each. SQLite has one process, and so one handle.
func twoNodes(t *testing.T, engine string, clk *clock.Clock) (dbs [2]*sqldb.DB, nodes [2]*vault.Vault) {
	t.Helper()
	url := sqldbtest.URL(t, engine)
	for i := range dbs {
		if i == 1 && engine == "sqlite" {
			dbs[1] = dbs[0]
			break
		}
		db, err := sqldb.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		dbs[i] = db
	}
	execute(t, dbs[0], "CREATE TABLE secrets (id TEXT PRIMARY KEY, sealed BYTEA)")
	for i := range nodes {
		nodes[i] = attached(t, dbs[i], clk, secrets())
	}
	return dbs, nodes
}

func eachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}

// TestFirstKey lets both nodes seal at once before there is a key: there is one afterwards.
func TestFirstKey(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		dbs, nodes := twoNodes(t, engine, &clock.Clock{})
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() { put(t, dbs[i%2], nodes[i%2], strconv.Itoa(i)) })
		}
		wg.Wait()
		for i := range 16 {
			check(t, dbs[0], nodes[(i+1)%2], strconv.Itoa(i))
		}
		keys := keysOf(t, nodes[0])
		if len(keys) != 1 || keys[0].Version != 1 || keys[0].State != vault.KeyActive || keys[0].Rows != 16 ||
			keys[0].Store != vault.LocalStore {
			t.Errorf("%+v", keys)
		}
	})
}

// TestRotationUnderLoad rotates while two nodes write and read, kills the one that seals again in the middle, and
// lets the other one go on: nothing is ever unreadable, and in the end the old key can go.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		clk := &clock.Clock{}
		dbs, nodes := twoNodes(t, engine, clk)
		const before = 700
		for i := range before {
			put(t, dbs[0], nodes[0], fmt.Sprintf("old-%04d", i))
		}
		stop, rows := make(chan struct{}), atomic.Int64{}
		var wg sync.WaitGroup
		for n := range nodes {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					key := fmt.Sprintf("new-%d-%04d", n, i)
					put(t, dbs[n], nodes[n], key)
					rows.Add(1)
					check(t, dbs[1-n], nodes[1-n], key)
					check(t, dbs[n], nodes[n], fmt.Sprintf("old-%04d", rand.IntN(before)))
				}
			})
		}
		made, err := nodes[0].Rotate(t.Context(), purpose, nil)
		if err != nil || made.Version != 2 {
			t.Fatalf("%+v, %v", made, err)
		}
		killed, kill := context.WithCancel(t.Context())
		go func() {
			for keysOf(t, nodes[1])[1].Rows < 120 {
				time.Sleep(time.Millisecond)
			}
			kill()
		}()
		if err := nodes[0].Reseal(killed); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the node that is killed: %v", err)
		}
		if err := nodes[1].Reseal(t.Context()); err != nil {
			t.Errorf("the node that goes on: %v", err)
		}
		clk.Advance(3 * time.Second) // by now each node knows
		time.Sleep(50 * time.Millisecond)
		close(stop)
		wg.Wait()
		clk.Advance(vault.RetireAfter)
		for _, v := range nodes {
			if err := v.Reseal(t.Context()); err != nil {
				t.Error(err)
			}
		}
		keys := keysOf(t, nodes[1])
		if keys[0].Rows != 0 || keys[0].State != vault.KeyOld || keys[1].Rows != before+rows.Load() {
			t.Errorf("%+v, %d rows", keys, before+rows.Load())
		}
		if _, err := nodes[1].Retire(t.Context(), purpose, 1, nil); err != nil {
			t.Error(err)
		}
		for i := range before {
			check(t, dbs[0], nodes[i%2], fmt.Sprintf("old-%04d", i))
		}
	})
}

// TestRotateAtOnce: of two rotations at once one is refused, and one version is made.
func TestRotateAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		dbs, nodes := twoNodes(t, engine, &clock.Clock{})
		put(t, dbs[0], nodes[0], "1")
		var wg sync.WaitGroup
		var made, refused atomic.Int64
		for i := range 6 {
			wg.Go(func() {
				_, err := nodes[i%2].Rotate(t.Context(), purpose, nil)
				switch fault.CodeOf(err) {
				case "":
					made.Add(1)
				case "vault.rotated_meanwhile":
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		keys := keysOf(t, nodes[0])
		active := 0
		for i, key := range keys {
			if key.State == vault.KeyActive {
				active++
			}
			if key.Version != int64(i)+1 {
				t.Errorf("%+v", keys)
			}
		}
		if made.Load()+refused.Load() != 6 || int64(len(keys)) != made.Load()+1 || active != 1 ||
			keys[len(keys)-1].State != vault.KeyActive {
			t.Errorf("%d made, %d refused: %+v", made.Load(), refused.Load(), keys)
		}
		check(t, dbs[1], nodes[1], "1")
	})
}

// TestRetire walks every refusal, each of which writes nothing, and the way to the end.
func TestRetire(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		clk := &clock.Clock{}
		dbs, nodes := twoNodes(t, engine, clk)
		db, v := dbs[0], nodes[0]
		refused := func(code, purpose string, version int64) {
			t.Helper()
			before := stored(t, db)
			if _, err := v.Retire(t.Context(), purpose, version, nil); fault.CodeOf(err) != code {
				t.Errorf("retire %s/%d: %v, want %s", purpose, version, err, code)
			}
			if after := stored(t, db); after != before {
				t.Errorf("%s wrote:\n%s\n%s", code, before, after)
			}
		}
		refused("vault.key_not_found", purpose, 2)
		put(t, db, v, "1")
		execute(t, db, "INSERT INTO secrets (id) VALUES ('destroyed')")
		execute(t, db, "INSERT INTO secrets (id, sealed) VALUES ('empty', $1)", []byte{})
		refused("vault.key_active", purpose, 1)
		if _, err := v.Rotate(t.Context(), "test.other", nil); fault.CodeOf(err) != "vault.purpose_unknown" {
			t.Errorf("rotate what nobody declared: %v", err)
		}
		if _, err := v.Rotate(t.Context(), purpose, nil); err != nil {
			t.Fatal(err)
		}
		refused("vault.key_too_fresh", purpose, 1)
		clk.Advance(vault.RetireAfter)
		refused("vault.rows_remain", purpose, 1)
		refused("vault.key_not_found", purpose, 3)
		refused("vault.key_active", purpose, 2)

		// A value that does not open stays in the way, and is not lost with the key.
		execute(t, db, "UPDATE secrets SET id = 'moved' WHERE id = '1'")
		if err := v.Reseal(t.Context()); fault.CodeOf(err) != "vault.bad_sealed" {
			t.Errorf("seal a moved value again: %v", err)
		}
		refused("vault.rows_remain", purpose, 1)
		execute(t, db, "UPDATE secrets SET id = '1' WHERE id = 'moved'")
		if err := v.Reseal(t.Context()); err != nil {
			t.Error(err)
		}
		check(t, db, v, "1")
		var before []byte
		if err := db.Read.QueryRowContext(t.Context(), "SELECT wrapped FROM data_keys WHERE version = 1").
			Scan(&before); err != nil {
			t.Fatal(err)
		}
		key, err := nodes[1].Retire(t.Context(), purpose, 1, nil)
		if err != nil || key.State != vault.KeyRetired || len(before) == 0 {
			t.Errorf("%+v, %v", key, err)
		}
		var gone bool
		err = db.Read.QueryRowContext(t.Context(), "SELECT wrapped IS NULL FROM data_keys WHERE version = 1").Scan(&gone)
		if err != nil || !gone {
			t.Errorf("the retired key is still there: %v", err)
		}
		refused("", purpose, 1)
		check(t, db, nodes[1], "1")
		if made, err := v.Rotate(t.Context(), purpose, nil); err != nil || made.Version != 3 {
			t.Errorf("%+v, %v", made, err)
		}
	})
}
