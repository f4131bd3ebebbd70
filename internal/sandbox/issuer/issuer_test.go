package issuer

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver of the books
)

// TestStart_OldDatabase opens the database of a version that had cards and no books: its cards get accounts, once.
func TestStart_OldDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "issuer.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.ExecContext(t.Context(), schema)
	must(t, err)
	old := Number(NumberForm{Prefix: "622202", Length: 19, Serial: 77})
	must(t, insertCard(t.Context(), db, Card{Number: old, Holder: "李娜", Document: "44010619951211004X", Phone: "+86138"}))
	must(t, db.Close())
	for range 2 {
		keys, err := GenerateKeys()
		must(t, err)
		s, err := Start(t.Context(), Config{DatabasePath: path, Keys: keys})
		must(t, err)
		must(t, s.AddCard(t.Context(), Card{Number: old, Holder: "李娜", Balance: 5}))
		accounts, err := s.Books().Accounts(t.Context())
		must(t, err)
		cards, sum := 0, int64(0)
		for _, a := range accounts {
			sum += a.Balance.Minor
			if a.Kind == "customer" {
				cards++
			}
			if a.Number == old && a.Balance.Minor != plenty {
				t.Errorf("the old card has %s", a.Balance)
			}
		}
		if cards != len(SeedCards())+1 || sum != 0 {
			t.Errorf("%d cards have accounts, all balances together are %d", cards, sum)
		}
		must(t, s.Close())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
