package party_test

import (
	"testing"

	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestChangeClass(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		made, err := f.RegisterCustomer(t.Context(), party.Registration{Phone: "13800000001", Name: "A", PasswordHash: "h"})
		if err != nil || made.Class != 0 {
			t.Fatal(made, err)
		}
		for _, class := range []party.Class{1, 3, 2, 0, 3} {
			if err := f.ChangeClass(t.Context(), made.ID, class); err != nil {
				t.Fatal(err)
			}
			if got, err := f.Customer(t.Context(), made.ID); err != nil || got.Class != class || got.Name != made.Name {
				t.Errorf("%+v %v, want class %d", got, err, class)
			}
		}
		f.refused(t, "", func() error { return f.ChangeClass(t.Context(), made.ID, 3) }) // it has it already
		f.refused(t, "party.bad_class", func() error { return f.ChangeClass(t.Context(), made.ID, 4) })
		f.refused(t, "party.bad_class", func() error { return f.ChangeClass(t.Context(), made.ID, -1) })
		f.refused(t, "party.customer_not_found", func() error { return f.ChangeClass(t.Context(), "cus_nobody", 1) })
	})
}
