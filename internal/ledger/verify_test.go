package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// small is a short known history: ten top-ups, a payment of three lines and an open hold.
type small struct {
	*proven
	topUps  []id.Entry
	payment id.Entry
}

func newSmall(t *testing.T, db *sqldb.DB) *small {
	t.Helper()
	s := &small{proven: openProven(t, db)}
	flows := ledger.Flows{Stripe: "n00"}
	for range 10 {
		s.topUps = append(s.topUps, s.add(t, "top_1", flows.TopUp("cus_1", "bank", cny(100), cny(0))))
		s.clock.Advance(time.Millisecond)
	}
	s.payment = s.add(t, "pay_1", flows.Payment("cus_1", "mer_1", cny(50), cny(2)))
	hold := ledger.Hold{
		ID: id.New[id.Hold](s.clock.Now()), Debit: "2001:CNY:cus_1", Credit: "2101:CNY:mer_1", Amount: cny(30),
		ExpiresAt: s.clock.Now().Add(time.Hour),
	}
	keys := s.Keys(hold.Debit, hold.Credit)
	err := s.committer.Do(t.Context(), keys, func(tx *commit.Tx) error { return s.PlaceHold(tx, hold) })
	if err != nil {
		t.Fatal(err)
	}
	s.seal(t)
	return s
}

// wants is what a failure must say: its check, its subject, and a part of its message.
type wants [3]string

// TestVerifyNamesTheThing changes one thing behind the ledger's back and expects Verify to name it.
func TestVerifyNamesTheThing(t *testing.T) {
	t.Parallel()
	const wallet = "2001:CNY:cus_1"
	line := func(entry id.Entry, n int) string { return fmt.Sprintf("%s.%d", entry, n) }
	for name, test := range map[string]struct {
		tamper func(*small) []string
		wants  func(*small) []wants
	}{
		"Balance": {
			func(*small) []string {
				return []string{"UPDATE accounts SET credits_posted = credits_posted + 5 WHERE id = '" + wallet + "'"}
			},
			func(*small) []wants {
				return []wants{
					{"sums", wallet, "credits_posted is 1005, its postings sum up to 1000"},
					{"book", "CNY", "clients' book"},
				}
			},
		},
		"Amount": {
			func(s *small) []string {
				return []string{"UPDATE transfers SET amount_minor = 101 WHERE id = '" + line(s.topUps[4], 0) + "'"}
			},
			func(s *small) []wants {
				return []wants{
					{"chain", line(s.topUps[4], 0), "posting 5 of 2001:CNY:cus_1 has balance 500, 501 follows"},
					{"leaf", string(s.topUps[4]), "not what leaf"},
					{"sums", wallet, "credits_posted is 1000, its postings sum up to 1001"},
					{"sums", "1101:CNY:bank.n00", "debits_posted"},
				}
			},
		},
		"AmountAndAllThatFollows": {
			func(s *small) []string {
				return []string{
					"UPDATE transfers SET amount_minor = 101 WHERE id = '" + line(s.topUps[9], 0) + "'",
					"UPDATE transfers SET credit_balance = 1001, debit_balance = 1001 WHERE id = '" + line(s.topUps[9], 0) + "'",
					"UPDATE transfers SET debit_balance = debit_balance + 1 WHERE id = '" + line(s.payment, 0) + "'",
					"UPDATE accounts SET credits_posted = credits_posted + 1 WHERE id = '" + wallet + "'",
					"UPDATE accounts SET debits_posted = debits_posted + 1 WHERE id = '1101:CNY:bank.n00'",
				}
			},
			func(s *small) []wants { return []wants{{"leaf", string(s.topUps[9]), "not what leaf"}} },
		},
		"Subject": {
			func(s *small) []string {
				return []string{"UPDATE transfers SET subject = 'pay_2' WHERE id LIKE '" + string(s.payment) + ".%'"}
			},
			func(s *small) []wants { return []wants{{"leaf", string(s.payment), "not what leaf"}} },
		},
		"SubjectOfOneLine": {
			func(s *small) []string {
				return []string{"UPDATE transfers SET subject = 'pay_2' WHERE id = '" + line(s.payment, 2) + "'"}
			},
			func(s *small) []wants { return []wants{{"entry", line(s.payment, 2), "differ from line 0"}} },
		},
		"Salt": {
			func(s *small) []string {
				return []string{
					"UPDATE transfers SET salt = 'AAAAAAAAAAAAAAAAAAAAAA' WHERE id = '" + line(s.payment, 1) + "'",
				}
			},
			func(s *small) []wants { return []wants{{"leaf", string(s.payment), "not what leaf"}} },
		},
		"LineGone": {
			func(s *small) []string {
				return []string{"DELETE FROM transfers WHERE id = '" + line(s.payment, 1) + "'"}
			},
			func(s *small) []wants {
				return []wants{
					{"entry", string(s.payment), "line 1 is missing"},
					{"chain", "2101:CNY:mer_1", "counts 2 postings, there are 1"},
				}
			},
		},
		"EntryGone": {
			func(s *small) []string {
				return []string{"DELETE FROM transfers WHERE id = '" + line(s.topUps[3], 0) + "'"}
			},
			func(*small) []wants {
				return []wants{
					{"chain", wallet, "posting 4 is missing; the next one is 5"},
					{"sums", wallet, "credits_posted is 1000, its postings sum up to 900"},
					{"leaf", "grp_", "1 leaves and 0 entries"},
				}
			},
		},
		"Code": {
			func(s *small) []string {
				return []string{
					"UPDATE transfers SET credit_account = '9999:CNY' WHERE id = '" + line(s.topUps[9], 0) + "'",
				}
			},
			func(s *small) []wants {
				return []wants{{"entry", line(s.topUps[9], 0), "lacks the code"}, {"account", "9999:CNY", "no row"}}
			},
		},
		"OtherBook": {
			func(s *small) []string {
				return []string{
					"UPDATE transfers SET credit_account = '4001:CNY:n00' WHERE id = '" + line(s.topUps[9], 0) + "'",
				}
			},
			func(s *small) []wants { return []wants{{"entry", line(s.topUps[9], 0), "in different books"}} },
		},
		"Currency": {
			func(s *small) []string {
				return []string{"UPDATE transfers SET currency = 'USD' WHERE id = '" + line(s.topUps[2], 0) + "'"}
			},
			func(s *small) []wants { return []wants{{"currency", line(s.topUps[2], 0), "in USD"}} },
		},
		"PostingTwice": {
			func(s *small) []string {
				return []string{"UPDATE transfers SET credit_n = 3 WHERE id = '" + line(s.topUps[5], 0) + "'"}
			},
			func(*small) []wants { return []wants{{"chain", wallet, "posting 3 is there twice"}} },
		},
		"Prev": {
			func(s *small) []string {
				return []string{"UPDATE transfers SET credit_prev = '' WHERE id = '" + line(s.topUps[5], 0) + "'"}
			},
			func(s *small) []wants {
				return []wants{{"chain", line(s.topUps[5], 0), "posting 6 of " + wallet + " points back"}}
			},
		},
		"Jump": {
			func(s *small) []string {
				return []string{"UPDATE transfers SET credit_jump = '' WHERE id = '" + line(s.topUps[5], 0) + "'"}
			},
			func(s *small) []wants {
				return []wants{{"chain", line(s.topUps[5], 0), "posting 6 of " + wallet + " jumps"}}
			},
		},
		"Path": {
			func(*small) []string { return []string{"UPDATE accounts SET path = '' WHERE id = '" + wallet + "'"} },
			func(*small) []wants { return []wants{{"chain", wallet, "its path"}} },
		},
		"Postings": {
			func(*small) []string {
				return []string{"UPDATE accounts SET postings = 12 WHERE id = '" + wallet + "'"}
			},
			func(*small) []wants { return []wants{{"chain", wallet, "counts 12 postings, there are 11"}} },
		},
		"Time": {
			func(s *small) []string {
				return []string{"UPDATE transfers SET posted_at = 1 WHERE id = '" + line(s.topUps[5], 0) + "'"}
			},
			func(s *small) []wants {
				return []wants{
					{"chain", line(s.topUps[5], 0), "older than the one before"},
					{"leaf", string(s.topUps[5]), ""},
				}
			},
		},
		"AccountGone": {
			func(*small) []string { return []string{"DELETE FROM accounts WHERE id = '" + wallet + "'"} },
			func(*small) []wants {
				return []wants{{"account", wallet, "no row"}, {"book", "CNY", "assets are 998, claims are 48"}}
			},
		},
		"Unprotected": {
			func(*small) []string {
				return []string{"UPDATE accounts SET protected = FALSE WHERE id = '" + wallet + "'"}
			},
			func(*small) []wants { return []wants{{"account", wallet, "protected is false"}} },
		},
		"Owner": {
			func(*small) []string {
				return []string{"UPDATE accounts SET owner = 'cus_2' WHERE id = '" + wallet + "'"}
			},
			func(*small) []wants { return []wants{{"account", wallet, "owner"}} },
		},
		"Pending": {
			func(*small) []string {
				return []string{"UPDATE accounts SET debits_pending = 3000 WHERE id = '" + wallet + "'"}
			},
			func(*small) []wants {
				return []wants{
					{"pending", wallet, "debits_pending is 3000, its open holds sum up to 30"},
					{"floor", wallet, "available is -2050"},
				}
			},
		},
		"Hold": {
			func(*small) []string { return []string{"UPDATE holds SET state = 'released'"} },
			func(*small) []wants {
				return []wants{
					{"pending", wallet, "debits_pending is 30"},
					{"pending", "2101:CNY:mer_1", "credits_pending is 30"},
				}
			},
		},
		"Leaves": {
			func(s *small) []string {
				return []string{
					fmt.Sprintf("UPDATE commit_groups SET leaves = %s WHERE first_leaf = 6", s.blob(strings.Repeat("ab", 32))),
				}
			},
			func(s *small) []wants {
				return []wants{
					{"leaf", string(s.topUps[6]), "not what leaf 0"},
					{"log", "chunk 0", "level 0, number 6"},
					{"checkpoint", "11", "its root is"},
				}
			},
		},
		"LeavesGone": {
			func(*small) []string {
				return []string{"UPDATE commit_groups SET leaves = NULL WHERE first_leaf = 6"}
			},
			func(s *small) []wants {
				return []wants{
					{"leaf", string(s.topUps[6]), "no leaves"},
					{"log", "grp_", "counts 1 leaves and has 0 bytes"},
				}
			},
		},
		"Place": {
			func(*small) []string { return []string{"UPDATE commit_groups SET first_leaf = 7 WHERE first_leaf = 6"} },
			func(*small) []wants { return []wants{{"log", "grp_", "stand at 7, where 6 comes next"}} },
		},
		"PlaceOfTheLast": {
			func(*small) []string {
				return []string{"UPDATE commit_groups SET first_leaf = NULL WHERE first_leaf = 10"}
			},
			func(*small) []wants {
				return []wants{{"checkpoint", "11", "signs 11 leaves, the log has 10"}, {"log", "chunk 0", "bytes, not"}}
			},
		},
		"Chunk": {
			func(s *small) []string { return []string{tamperChunk(s.proven, 2)} },
			func(*small) []wants {
				return []wants{{"log", "chunk 0", "hash 2 (level 1, number 0 of the tree) is wrong"}}
			},
		},
		"ChunkGone": {
			func(*small) []string { return []string{"DELETE FROM log_hashes"} },
			func(*small) []wants { return []wants{{"log", "chunk 0", "missing"}} },
		},
		"ChunkMore": {
			func(s *small) []string {
				return []string{"INSERT INTO log_hashes (chunk, hashes) VALUES (1, " + s.blob("00") + ")"}
			},
			func(*small) []wants { return []wants{{"log", "chunk 1", "beyond the end"}} },
		},
		"CheckpointRoot": {
			func(s *small) []string {
				return []string{"UPDATE log_checkpoints SET root = " + s.blob(strings.Repeat("00", 32))}
			},
			func(*small) []wants {
				return []wants{{"checkpoint", "11", "its root is AAAA"}, {"checkpoint", "11", "its note signs 11 leaves"}}
			},
		},
		"CheckpointNote": {
			func(*small) []string {
				return []string{"UPDATE log_checkpoints SET note = replace(note, 'ledger', 'legder')"}
			},
			func(*small) []wants { return []wants{{"checkpoint", "11", "trusted key"}} },
		},
		"CheckpointSignature": {
			func(*small) []string {
				return []string{"UPDATE log_checkpoints SET note = replace(note, '11', '12')"}
			},
			func(*small) []wants { return []wants{{"checkpoint", "11", ""}} },
		},
		"CheckpointMore": {
			func(*small) []string {
				return []string{
					`INSERT INTO log_checkpoints (size, root, note, created_at)
						SELECT 99, root, note, created_at FROM log_checkpoints`,
				}
			},
			func(*small) []wants {
				return []wants{
					{"checkpoint", "99", "signs 99 leaves, the log has 11"},
					{"checkpoint", "99", "its note signs 11"},
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				s := newSmall(t, db)
				if report := s.verify(t); !report.OK() || report.Entries != 11 || report.Transfers != 13 {
					t.Fatalf("before: %+v", report)
				}
				s.exec(t, test.tamper(s)...)
				report := s.verify(t)
				for _, want := range test.wants(s) {
					expectFailure(t, &report, want)
				}
			})
		})
	}
}

func expectFailure(t *testing.T, report *ledger.Report, want wants) {
	t.Helper()
	for _, f := range report.Failures {
		if f.Check == want[0] && strings.HasPrefix(f.Subject, want[1]) && strings.Contains(f.Message, want[2]) {
			return
		}
	}
	t.Errorf("no failure %q in:", want)
	for _, f := range report.Failures {
		t.Errorf("  %s %s: %s", f.Check, f.Subject, f.Message)
	}
}

// blob writes hexadecimal digits as a literal of bytes.
func (s *small) blob(digits string) string {
	if s.db.Engine() == "postgres" {
		return `'\x` + digits + `'::bytea`
	}
	return "x'" + digits + "'"
}

// TestVerifyMirror posts, with all rights, an entry that only one book knows of.
func TestVerifyMirror(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := newSmall(t, db)
		s.add(t, "pay_2", []ledger.Line{{
			Reason: ledger.ReasonFee, Debit: "2101:CNY:mer_1", Credit: "1901:CNY:n00", Amount: cny(3),
		}})
		report := s.verify(t)
		expectFailure(t, &report, wants{"mirror", "CNY", "sum up to -3"})
		if len(report.Failures) != 1 || report.Unsequenced != 1 {
			t.Errorf("%+v", report)
		}
	})
}

func TestVerifyTotals(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		newSmall(t, db)
		var done, total int64
		report, err := ledger.Verify(t.Context(), db, ledger.VerifyOptions{
			Progress: func(d, of int64) { done, total = d, of },
		})
		if err != nil || !report.OK() || report.SignaturesChecked || done != 13 || total != 13 {
			t.Fatalf("%+v %v, progress %d of %d", report, err, done, total)
		}
		got := report.Totals[0]
		if len(report.Totals) != 1 || got.Currency != "CNY" || got.Accounts != report.Accounts ||
			got.ClientAssets.Int64() != 998 || got.ClientClaims.Int64() != 998 || got.Mirror.Sign() != 0 ||
			got.DebitsPosted.Int64() != 1054 || got.CreditsPosted.Int64() != 1054 {
			t.Errorf("%+v", got)
		}
		_, err = ledger.Verify(t.Context(), db, ledger.VerifyOptions{TrustedKeys: []string{"x"}})
		if fault.CodeOf(err) != "ledger.bad_trusted_key" {
			t.Errorf("bad key: %v", err)
		}
	})
}
