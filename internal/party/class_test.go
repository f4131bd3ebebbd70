package party_test

import (
	"testing"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestSetClass(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		made, err := f.RegisterCustomer(t.Context(), party.Registration{Phone: "13800000001", Name: "张三"})
		if err != nil {
			t.Fatal(err)
		}
		set := func(name id.Customer, class party.Class) error {
			return f.committer.Do(t.Context(), []commit.Key{f.CustomerKey(name)}, func(tx *commit.Tx) error {
				return f.SetClass(tx, name, class)
			})
		}
		for _, class := range []party.Class{3, 1, 0} {
			if err := set(made.ID, class); err != nil {
				t.Fatal(err)
			}
			if found, err := f.Customer(t.Context(), made.ID); err != nil || found.Class != class {
				t.Errorf("class %d, %v, want %d", found.Class, err, class)
			}
		}
		f.refused(t, "party.bad_class", func() error { return set(made.ID, 4) })
		f.refused(t, "party.bad_class", func() error { return set(made.ID, -1) })
		f.refused(t, "party.customer_not_found", func() error { return set("cus_none", 1) })
	})
}
