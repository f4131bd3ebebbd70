package ledger_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// proven is a ledger with its log.
type proven struct {
	*ledger.Ledger
	*ledger.Log
	db        *sqldb.DB
	clock     *clock.Clock
	committer *commit.Committer
}

// openProven returns one node's ledger and log on db. All nodes have the same key.
func openProven(t testing.TB, db *sqldb.DB) *proven {
	t.Helper()
	p := &proven{db: db, clock: &clock.Clock{}}
	p.committer = commit.New(db, p.clock, commit.Options{})
	p.Ledger = ledger.New(p.committer, db, time.UTC)
	if err := p.committer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.committer.Close)
	p.Log = openLog(t, db, p.clock)
	return p
}

func openLog(t testing.TB, db *sqldb.DB, clk *clock.Clock) *ledger.Log {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, ed25519.SeedSize))
	log, err := ledger.NewLog(db, clk, ledger.LogOptions{
		Origin: "pay.example.com/ledger", Key: key, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func (p *proven) add(t testing.TB, subject string, lines []ledger.Line) id.Entry {
	t.Helper()
	e := ledger.NewEntry(p.clock.Now(), subject, lines...)
	err := p.committer.Do(t.Context(), p.KeysOf(lines), func(tx *commit.Tx) error { return p.Post(tx, e) })
	if err != nil {
		t.Error(err)
	}
	return e.ID
}

func (p *proven) seal(t testing.TB) ledger.Checkpoint {
	t.Helper()
	c, err := p.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *proven) verify(t testing.TB) ledger.Report {
	t.Helper()
	report, err := ledger.Verify(t.Context(), p.db, ledger.VerifyOptions{TrustedKeys: []string{p.Key()}})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// checkReceipt fetches and verifies the receipt of an entry, as its payer and in full.
func (p *proven) checkReceipt(t testing.TB, entry id.Entry) {
	t.Helper()
	for _, sees := range []func(*ledger.Transfer) bool{ledger.EveryLine, ledger.LinesOf("cus_1")} {
		r, err := p.Receipt(t.Context(), entry, sees)
		if err != nil {
			t.Fatalf("%s: %v", entry, err)
		}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.VerifyReceipt(data, p.Key())
		if err != nil || got.Entry != entry || !got.Trusted || len(got.Lines) != len(r.Lines) {
			t.Fatalf("%s: %+v, %v", entry, got, err)
		}
	}
}

func TestReceiptsOfManySizes(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		p, flows := openProven(t, db), ledger.Flows{Stripe: "n00"}
		var entries []id.Entry
		var checkpoints []ledger.Checkpoint
		for n := int64(1); n <= 35; n++ {
			entry := p.add(t, "top_1", flows.TopUp("cus_1", "bank", cny(n), cny(1)))
			entries = append(entries, entry)
			_, err := p.Receipt(t.Context(), entry, ledger.EveryLine)
			if f := fault.From(err); f == nil || f.Code != "ledger.not_sequenced_yet" || f.RetryAfter != time.Second {
				t.Fatalf("before a checkpoint: %v", err)
			}
			c := p.seal(t)
			if c.Size != n {
				t.Fatalf("checkpoint of size %d, want %d", c.Size, n)
			}
			checkpoints = append(checkpoints, c)
			for i := range entries {
				p.checkReceipt(t, entries[i])
			}
		}
		for _, older := range checkpoints {
			for _, newer := range checkpoints[older.Size-1:] {
				proof, err := p.ConsistencyProof(t.Context(), older.Size, newer.Size)
				if err != nil {
					t.Fatal(err)
				}
				if err := ledger.VerifyConsistency(older.Note, newer.Note, p.Key(), proof); err != nil {
					t.Fatalf("%d to %d: %v", older.Size, newer.Size, err)
				}
			}
		}
		payment := p.add(t, "pay_1", flows.Payment("cus_1", "mer_1", cny(20), cny(2)))
		p.seal(t)
		r, err := p.Receipt(t.Context(), payment, ledger.LinesOf("cus_1"))
		if err != nil || len(r.Lines) != 1 || r.Lines[0].Number != 0 {
			t.Errorf("the payer sees more than the own line: %+v, %v", r.Lines, err)
		}
		if _, err := p.Receipt(t.Context(), "ent_none", ledger.EveryLine); fault.CodeOf(err) != "ledger.entry_not_found" {
			t.Errorf("no such entry: %v", err)
		}
		for _, sizes := range [][2]int64{{0, 5}, {6, 5}, {5, 37}} {
			if _, err := p.ConsistencyProof(t.Context(), sizes[0], sizes[1]); fault.CodeOf(err) != "ledger.bad_log_size" {
				t.Errorf("sizes %v: %v", sizes, err)
			}
		}
		p.refuseConsistency(t, checkpoints)
	})
}

func (p *proven) refuseConsistency(t *testing.T, checkpoints []ledger.Checkpoint) {
	t.Helper()
	older, newer := checkpoints[8], checkpoints[20]
	proof, err := p.ConsistencyProof(t.Context(), older.Size, newer.Size)
	if err != nil {
		t.Fatal(err)
	}
	proof[0][3] ^= 1
	if err := ledger.VerifyConsistency(older.Note, newer.Note, p.Key(), proof); fault.CodeOf(err) != "ledger.proof_wrong" {
		t.Errorf("changed proof: %v", err)
	}
	proof[0][3] ^= 1
	if err := ledger.VerifyConsistency(newer.Note, older.Note, p.Key(), proof); fault.CodeOf(err) != "ledger.proof_wrong" {
		t.Errorf("swapped: %v", err)
	}
	err = ledger.VerifyConsistency(older.Note, "x", p.Key(), proof)
	if fault.CodeOf(err) != "ledger.checkpoint_malformed" {
		t.Errorf("no note: %v", err)
	}
	if err := ledger.VerifyConsistency(older.Note, newer.Note, "x", proof); fault.CodeOf(err) != "ledger.bad_trusted_key" {
		t.Errorf("no key: %v", err)
	}
	c, err := p.CheckpointAt(t.Context(), 9)
	if err != nil || c.Note != older.Note {
		t.Errorf("checkpoint of size 9: %+v, %v", c, err)
	}
	if _, err := p.CheckpointAt(t.Context(), 99); fault.CodeOf(err) != "ledger.no_checkpoint" {
		t.Errorf("checkpoint of size 99: %v", err)
	}
}

func TestEmptyLog(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		p := openProven(t, db)
		if _, err := p.Seal(t.Context()); fault.CodeOf(err) != "ledger.no_checkpoint" {
			t.Errorf("seal: %v", err)
		}
		if _, err := p.Checkpoint(t.Context()); fault.CodeOf(err) != "ledger.no_checkpoint" {
			t.Errorf("checkpoint: %v", err)
		}
		if report := p.verify(t); !report.OK() || report.Transfers != 0 {
			t.Errorf("%+v", report)
		}
	})
}

// history posts random entries from many goroutines and returns the ids of those posted.
func (p *proven) history(t *testing.T, seed uint64, count int) []id.Entry {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var posted []id.Entry
	const workers = 25
	for w := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for n := 0; n < count/workers; {
				e := ledger.NewEntry(p.clock.Now(), fmt.Sprintf("test_%d", n), randomLines(random)...)
				err := p.committer.Do(t.Context(), p.KeysOf(e.Lines), func(tx *commit.Tx) error { return p.Post(tx, e) })
				switch fault.CodeOf(err) {
				case "":
					n++
					mu.Lock()
					posted = append(posted, e.ID)
					mu.Unlock()
				case "ledger.insufficient_funds":
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return posted
}

func randomLines(random *rand.Rand) []ledger.Line {
	currency := []money.Currency{"CNY", "JPY"}[random.IntN(2)]
	amount := func(most int64) money.Amount { return money.Amount{Minor: 1 + random.Int64N(most), Currency: currency} }
	customer, merchant := fmt.Sprintf("cus_%d", random.IntN(40)), fmt.Sprintf("mer_%d", random.IntN(3))
	flows := ledger.Flows{Stripe: fmt.Sprintf("n%02d", random.IntN(2))}
	switch random.IntN(8) {
	case 0, 1, 2:
		return flows.Payment(customer, merchant, amount(1000), money.Amount{Minor: random.Int64N(2), Currency: currency})
	case 3:
		return flows.Transfer(customer, "cus_x", amount(500))
	case 4:
		return flows.Refund(customer, merchant, money.Amount{Minor: 30, Currency: currency},
			money.Amount{Currency: currency}, money.Amount{Minor: 10, Currency: currency})
	case 5:
		return flows.Withdrawal(customer, amount(100))
	default:
		return flows.TopUp(customer, "bank", amount(3000), money.Amount{Minor: 2, Currency: currency})
	}
}

// TestRandomHistory posts thousands of entries on two nodes with two clocks (SQLite has one) while
// two sequencers race, then proves all of it.
func TestRandomHistory(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		nodes := []*proven{openProven(t, db)}
		if db.Engine() != "sqlite" {
			nodes = append(nodes, openProven(t, db))
			nodes[1].clock.Advance(3 * time.Second)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var sequencers, writers sync.WaitGroup
		for range 2 {
			log := openLog(t, db, nodes[0].clock)
			sequencers.Go(func() { log.Run(ctx) })
			sequencers.Go(func() {
				for ctx.Err() == nil {
					if _, err := log.Seal(ctx); err != nil && ctx.Err() == nil && fault.CodeOf(err) != "ledger.no_checkpoint" {
						t.Error(err)
					}
				}
			})
		}
		posted := make([][]id.Entry, len(nodes))
		for i, node := range nodes {
			writers.Go(func() { posted[i] = node.history(t, uint64(i), 5000/len(nodes)) })
		}
		writers.Wait()
		cancel()
		sequencers.Wait()
		p := nodes[0]
		if c := p.seal(t); c.Size != 5000 {
			t.Errorf("size %d, want 5000", c.Size)
		}
		report := p.verify(t)
		if !report.OK() || report.Entries != 5000 || report.Leaves != 5000 || report.Unsequenced != 0 ||
			report.Checkpoints == 0 || !report.SignaturesChecked || len(report.Totals) != 2 {
			t.Errorf("report: %+v", report)
		}
		for _, entries := range posted {
			for i := 0; i < len(entries); i += 61 {
				p.checkReceipt(t, entries[i])
			}
		}
	})
}

// TestSequencerCrash interrupts sequencing at arbitrary points; what is left is always whole.
func TestSequencerCrash(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		p := openProven(t, db)
		random := rand.New(rand.NewPCG(1, 2))
		for range 30 {
			p.history(t, random.Uint64(), 25)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int64N(int64(4*time.Millisecond))))
			_, _ = p.Seal(ctx)
			cancel()
			if report := p.verify(t); !report.OK() {
				t.Fatalf("%+v", report.Failures)
			}
		}
		if c := p.seal(t); c.Size != 750 {
			t.Errorf("size %d, want 750", c.Size)
		}
		if report := p.verify(t); !report.OK() || report.Unsequenced != 0 {
			t.Errorf("%+v", report)
		}
	})
}

// exec changes the database behind the ledger's back; its triggers are dropped first.
func (p *proven) exec(t *testing.T, statements ...string) {
	t.Helper()
	drops := []string{
		"DROP TRIGGER IF EXISTS transfers_immutable ON transfers",
		"DROP TRIGGER IF EXISTS checkpoints_immutable ON log_checkpoints",
	}
	if p.db.Engine() == "sqlite" {
		drops = []string{
			"DROP TRIGGER IF EXISTS transfers_no_update", "DROP TRIGGER IF EXISTS transfers_no_delete",
			"DROP TRIGGER IF EXISTS checkpoints_no_update", "DROP TRIGGER IF EXISTS checkpoints_no_delete",
		}
	}
	err := p.db.Write(t.Context(), func(tx *sql.Tx) error {
		for _, statement := range append(drops, statements...) {
			if _, err := tx.ExecContext(t.Context(), statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSignRefusesAFork(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		p := openProven(t, db)
		p.history(t, 9, 50)
		signed := p.seal(t)
		p.history(t, 10, 25)
		p.exec(t, tamperChunk(p, 62)) // the root of the first 32 leaves
		if _, err := p.Seal(t.Context()); fault.CodeOf(err) != "ledger.log_forked" {
			t.Errorf("changed hash: %v", err)
		}
		p.exec(t, tamperChunk(p, 62)) // the same bits again: as it was
		if c := p.seal(t); c.Size != 75 {
			t.Errorf("size %d", c.Size)
		}
		p.exec(t, "DELETE FROM log_hashes")
		p.exec(t, "UPDATE commit_groups SET first_leaf = NULL")
		p.exec(t, `UPDATE commit_groups SET leaves = NULL, leaf_count = 0
			WHERE id IN (SELECT id FROM commit_groups ORDER BY id LIMIT 1)`)
		if _, err := p.Seal(t.Context()); fault.CodeOf(err) != "ledger.log_forked" {
			t.Errorf("a shorter log: %v", err)
		}
		if c, err := p.Checkpoint(t.Context()); err != nil || c.Size != 75 || signed.Size != 50 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

func TestDamagedLogStops(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		p := openProven(t, db)
		p.history(t, 9, 50)
		p.seal(t)
		p.history(t, 10, 25)
		p.exec(t, "UPDATE log_hashes SET hashes = substr(hashes, 1, 65)")
		if _, err := p.Seal(t.Context()); fault.CodeOf(err) != "ledger.log_damaged" {
			t.Errorf("cut chunk: %v", err)
		}
	})
}

// tamperChunk flips one bit of stored hash number n of chunk 0.
func tamperChunk(p *proven, n int) string {
	if p.db.Engine() == "postgres" {
		return fmt.Sprintf(
			"UPDATE log_hashes SET hashes = set_bit(hashes, %[1]d, 1 - get_bit(hashes, %[1]d)) WHERE chunk = 0", n*256)
	}
	var hashes []byte
	_ = p.db.Read.QueryRow("SELECT hashes FROM log_hashes WHERE chunk = 0").Scan(&hashes)
	hashes[n*32] ^= 1
	return fmt.Sprintf("UPDATE log_hashes SET hashes = x'%x' WHERE chunk = 0", hashes)
}
