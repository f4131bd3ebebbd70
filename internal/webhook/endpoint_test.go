package webhook_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/apiversion"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/webhook"
)

func TestMove(t *testing.T) {
	t.Parallel()
	may := map[[2]webhook.State]bool{
		{webhook.Enabled, webhook.Disabled}: true, {webhook.Enabled, webhook.Deleted}: true,
		{webhook.Disabled, webhook.Enabled}: true, {webhook.Disabled, webhook.Deleted}: true,
	}
	states := []webhook.State{webhook.Enabled, webhook.Disabled, webhook.Deleted}
	for _, from := range states {
		for _, to := range states {
			after, err := from.Move(to)
			if (err == nil) != may[[2]webhook.State{from, to}] {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if err != nil && after != from {
				t.Errorf("%s to %s: it is %s", from, to, after)
			}
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kinds, kind string
		want        bool
	}{
		{"*", "payment.succeeded", true},
		{"payment.succeeded", "payment.succeeded", true},
		{"payment.succeeded", "payment.succeeded_late", false},
		{"payment.*", "payment.created", true},
		{"payment.*", "payment_link.created", false},
		{"refund.* payment.voided", "payment.voided", true},
		{"refund.* payment.voided", "payment.expired", false},
		{"", "payment.voided", false},
	} {
		if got := webhook.Matches(strings.Fields(test.kinds), test.kind); got != test.want {
			t.Errorf("%q for %s: %v", test.kinds, test.kind, got)
		}
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, keysIn(t))
		e, secret := n.endpoint(t, "https://shop.example/a", "refund.*", "payment.succeeded", "refund.*")
		if got := strings.Join(e.Kinds, " "); got != "payment.succeeded refund.*" || e.State != webhook.Enabled {
			t.Errorf("%+v", e)
		}
		// The secret is nowhere to be read again.
		read, err := n.Get(t.Context(), shop, e.ID)
		must(t, err)
		if text := fmt.Sprintf("%v %+v", read, read); strings.Contains(text, secret) {
			t.Error("an endpoint shows its secret")
		}
		var sealed []byte
		must(t, db.Read.QueryRowContext(t.Context(), "SELECT secrets FROM webhook_endpoints").Scan(&sealed))
		if bytes.Contains(sealed, []byte(secret[len("whsec_"):])) {
			t.Error("the secret is in the database")
		}
		all, _ := n.endpoint(t, "https://shop.example/b")
		if !slices.Equal(all.Kinds, []string{"*"}) || all.APIVersion != apiversion.Newest() {
			t.Errorf("the defaults are %+v", all)
		}
		before := n.count(t, "SELECT count(*) FROM webhook_endpoints")
		for code, orders := range map[string][]webhook.NewEndpoint{
			"webhook.bad_url": {
				{URL: ""},
				{URL: "shop.example"},
				{URL: "ftp://shop.example"},
				{URL: "https://"},
				{URL: "https:///path"},
				{URL: "https://user:word@shop.example"},
				{URL: "https://shop.example/#a"},
				{URL: "https://shop.example/ x"},
				{URL: "https://169.254.169.254/latest/meta-data"},
				{URL: "https://10.0.0.1/"},
				{URL: "http://[fd00::1]/"},
				{URL: "https://shop.example/" + strings.Repeat("a", 1000)},
			},
			"webhook.bad_kind": {
				{URL: "https://x.example", Kinds: []string{"payment"}},
				{URL: "https://x.example", Kinds: []string{"*.succeeded"}},
				{URL: "https://x.example", Kinds: []string{"Payment.Succeeded"}},
				{URL: "https://x.example", Kinds: []string{""}},
				{URL: "https://x.example", Kinds: []string{"payment.succeeded refund.succeeded"}},
				{URL: "https://x.example", Kinds: slices.Repeat([]string{"a.b"}, 51)},
			},
			"webhook.unknown_version": {{URL: "https://x.example", APIVersion: "2020-01-01"}},
			"webhook.url_taken":       {{URL: e.URL}},
		} {
			for _, order := range orders {
				order.Merchant = shop
				_, _, err := n.Create(t.Context(), order)
				refused(t, err, code)
			}
		}
		for i := before; i < webhook.EndpointsMax; i++ {
			n.endpoint(t, fmt.Sprintf("https://shop.example/%d", i))
		}
		_, _, err = n.Create(t.Context(), webhook.NewEndpoint{Merchant: shop, URL: "https://shop.example/more"})
		refused(t, err, "webhook.too_many_endpoints")
		if after := n.count(t, "SELECT count(*) FROM webhook_endpoints"); after != webhook.EndpointsMax {
			t.Errorf("%d endpoints", after)
		}
	})
}

func TestEdit(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, keysIn(t))
		one, _ := n.endpoint(t, "https://shop.example/1")
		two, _ := n.endpoint(t, "https://shop.example/2")
		_, err := n.Edit(t.Context(), shop, two.ID, webhook.Change{URL: &one.URL})
		refused(t, err, "webhook.url_taken")
		_, err = n.Edit(t.Context(), "mer_other", two.ID, webhook.Change{})
		refused(t, err, "webhook.endpoint_not_found")
		url, kinds, words := "https://shop.example/3", []string{"payment.*"}, "till"
		e, err := n.Edit(t.Context(), shop, two.ID, webhook.Change{URL: &url, Kinds: &kinds, Description: &words})
		must(t, err)
		if e.URL != url || e.Description != words || e.Kinds[0] != "payment.*" || e.APIVersion == "" {
			t.Errorf("%+v", e)
		}
		// The URL that it had is free, and so is that of one that is deleted.
		n.endpoint(t, two.URL)
		must(t, n.Delete(t.Context(), shop, one.ID))
		n.endpoint(t, one.URL)
		refused(t, n.Delete(t.Context(), shop, one.ID), "webhook.endpoint_not_found")
		for _, gone := range []func() error{
			func() error { _, err := n.Get(t.Context(), shop, one.ID); return err },
			func() error { _, err := n.Enable(t.Context(), shop, one.ID, false); return err },
			func() error { _, err := n.Test(t.Context(), shop, one.ID); return err },
			func() error { _, _, err := n.Rotate(t.Context(), shop, one.ID, 0); return err },
			func() error { _, err := n.Replay(t.Context(), shop, one.ID, webhook.Replay{}); return err },
		} {
			refused(t, gone(), "webhook.endpoint_not_found")
		}
		if n.count(t, "SELECT count(*) FROM webhook_endpoints WHERE state = 'deleted' AND length(secrets) > 0") != 0 {
			t.Error("a deleted endpoint keeps its secrets")
		}
	})
}

// TestRotate signs with both secrets for the overlap, with one alone afterwards.
func TestRotate(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n, s := start(t, db), newSink(t, nil)
		e, first := n.endpoint(t, s.URL)
		n.happen(t, "payment.succeeded", 1)
		changed, second, err := n.Rotate(t.Context(), shop, e.ID, 24*time.Hour)
		must(t, err)
		if until := changed.PreviousUntil.Sub(changed.UpdatedAt); until < 23*time.Hour || until > 24*time.Hour {
			t.Errorf("the overlap is %v", until)
		}
		s.got(t, 2) // the payment, and that the secret was rotated
		n.logged(t, e, 2)
		n.clock.Advance(23 * time.Hour)
		n.happen(t, "payment.succeeded", 1)
		call := s.got(t, 3)[2]
		for _, secret := range []string{first, second} {
			must(t, verify(secret, call.header, call.body, time.Now()))
		}
		if newest, _, _ := strings.Cut(call.header.Get("Webhook-Signature"), " "); newest == "" {
			t.Error("no signature")
		}
		n.clock.Advance(2 * time.Hour)
		n.happen(t, "payment.succeeded", 1)
		call = s.got(t, 4)[3]
		must(t, verify(second, call.header, call.body, time.Now()))
		if verify(first, call.header, call.body, time.Now()) == nil {
			t.Error("the former secret signs on after its time")
		}
		// At most three at once; a secret that others know ends all others.
		for range 2 {
			_, _, err = n.Rotate(t.Context(), shop, e.ID, time.Hour)
			must(t, err)
		}
		_, _, err = n.Rotate(t.Context(), shop, e.ID, time.Hour)
		refused(t, err, "webhook.too_many_secrets")
		changed, last, err := n.Rotate(t.Context(), shop, e.ID, 0)
		must(t, err)
		if !changed.PreviousUntil.IsZero() {
			t.Errorf("%+v", changed)
		}
		d, err := n.Test(t.Context(), shop, e.ID)
		must(t, err)
		for _, call := range s.all() {
			if call.id() == d.Event {
				must(t, verify(last, call.header, call.body, time.Now()))
				if strings.Contains(call.header.Get("Webhook-Signature"), " ") {
					t.Error("a secret that was ended signs")
				}
			}
		}
	})
}
