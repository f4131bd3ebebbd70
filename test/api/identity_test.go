package api_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	stdimage "image"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
)

// payer is a customer who has nothing but a phone.
func (w *world) payer(t testing.TB, phone string) person {
	t.Helper()
	customer, err := w.Auth.Register(t.Context(), auth.Registration{Phone: phone, Name: "New Payer", Password: password})
	must(t, err)
	in, err := w.Auth.StartSession(t.Context(), customer.ID, auth.DeviceRequest{Name: "phone"})
	must(t, err)
	return person{id: customer.ID, phone: phone, token: in.Token, device: in.Device}
}

func (p person) identityPost(path string, body any) apitest.Request {
	return apitest.Request{Method: "POST", Path: "/wallet/v1/identity" + path, Token: p.token, Body: body}
}

func (p person) document(known authority.Person) apitest.Request {
	body := map[string]any{"kind": known.Kind, "name": known.Name, "number": known.Number, "country": known.Country}
	if known.ExpiresOn != "" {
		body["expires_on"] = known.ExpiresOn
	}
	if known.Kind != "resident_id" {
		body["birth_on"] = "1990-02-03"
	}
	return p.identityPost("", body)
}

func (p person) image(side string, content []byte) apitest.Request {
	return p.identityPost("/images", map[string]any{"side": side, "image": base64.StdEncoding.EncodeToString(content)})
}

// identity waits until no check of a customer is on its way.
func (w *world) identity(t testing.TB, p person) identity.View {
	t.Helper()
	var view identity.View
	eventually(t, "the checks", func() bool {
		view = identity.View{}
		w.ok(t, 200, get("/wallet/v1/identity", p.token), &view)
		for _, c := range view.Checks {
			if c.State == identity.CheckWaiting || c.State == identity.CheckUnknown {
				return false
			}
		}
		return w.count(t, "SELECT count(*) FROM jobs WHERE kind = 'identity.check'") == 0
	})
	return view
}

func pictures(t testing.TB) (asJPEG, asPNG []byte) {
	t.Helper()
	var j, p bytes.Buffer
	picture := stdimage.NewGray(stdimage.Rect(0, 0, 100, 80))
	must(t, jpeg.Encode(&j, picture, nil))
	must(t, png.Encode(&p, picture))
	return j.Bytes(), p.Bytes()
}

// TestIdentityToClassThree brings a new payer from nothing to class III through the API alone, as docs/identity.md says.
func TestIdentityToClassThree(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		known := authority.SeedPeople()[3]
		p := w.payer(t, known.Phones[0])
		asJPEG, asPNG := pictures(t)
		if v := w.identity(t, p); v.State != identity.StateNone || v.Class != 0 || v.Next.ChannelsMissing != 1 {
			t.Fatalf("before: %+v", v)
		}
		w.refused(t, 409, "identity.not_started", p.identityPost("/checks", map[string]any{"channel": "authority"}))
		w.refused(t, 409, "identity.not_started", p.image("front", asPNG))
		w.ok(t, 200, p.document(known), nil)
		class := func(want party.Class) {
			t.Helper()
			if v := w.identity(t, p); v.Class != want || v.Limits.Class != want {
				t.Fatalf("class %d, want %d: %+v", v.Class, want, v)
			}
		}
		check := func(body map[string]any) { t.Helper(); w.ok(t, 200, p.identityPost("/checks", body), nil) }
		check(map[string]any{"channel": "authority"})
		class(1)
		check(map[string]any{"channel": "phone"})
		check(map[string]any{"channel": "card", "card_number": known.Cards[0].Number})
		class(1) // three channels, and no images yet
		w.ok(t, 200, p.image("front", asJPEG), nil)
		class(1)
		w.ok(t, 200, p.image("back", asPNG), nil)
		class(2)
		check(map[string]any{"channel": "commercial"})
		check(map[string]any{"channel": "bank_transfer", "account_number": known.Accounts[0]})
		class(2) // the bank has asked
		answer := func(amount int64) apitest.Request {
			return p.identityPost("/checks/bank_transfer/answer", map[string]any{"amount": amount})
		}
		deposit := authority.Deposit(known.Accounts[0])
		w.ok(t, 200, answer(deposit%99+1), nil)
		class(2)
		w.ok(t, 200, answer(deposit), nil)
		class(3)
		w.refused(t, 409, "identity.not_asked", answer(deposit))
		w.refused(t, 409, "identity.check_passed", p.identityPost("/checks", map[string]any{"channel": "phone"}))
		v := w.identity(t, p)
		if v.Next != nil || v.Proof.Number != "5***************56" || v.Proof.Name != "刘*" {
			t.Errorf("%+v %+v", v, v.Proof)
		}

		// Staff see it masked, and the image with the right permission only.
		compliance, risk := w.staff(t, party.RoleCompliance), w.staff(t, party.RoleRisk)
		var seen identity.StaffView
		w.ok(t, 200, get("/ops/v1/identity/reviews/"+string(p.id), risk), &seen)
		if len(seen.Images) != 2 || seen.Class != 3 {
			t.Fatalf("%+v", seen)
		}
		path := "/ops/v1/identity/images/" + string(seen.Images[1].ID)
		w.refused(t, 403, "auth.permission_missing", get(path, risk))
		answered := w.ok(t, 200, get(path, compliance), nil)
		if !bytes.Equal(answered.Body, asJPEG) || answered.Header.Get("Cache-Control") != "no-store" ||
			answered.Header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("%d bytes, %v", len(answered.Body), answered.Header)
		}
		if n := w.events(t, "identity.image_seen", "SELECT customer_id FROM identities"); n != 1 {
			t.Errorf("seen %d times", n)
		}
		w.refused(t, 404, "identity.image_not_found",
			get("/ops/v1/identity/images/"+string(id.New[id.IdentityImage](instant)), compliance))

		// Staff ask again: nothing that was passed counts.
		repeat := apitest.Request{
			Method: "POST", Path: "/ops/v1/identity/customers/" + string(p.id) + "/reverify", Token: compliance,
			Body: map[string]any{"reason": "complaint of another person"},
		}
		w.ok(t, 200, repeat, &seen)
		if seen.Class != 0 || seen.State != identity.StateOpen || seen.Reason != identity.ReasonStaff {
			t.Errorf("%+v", seen)
		}
		class(0)
		w.noSecret(t, known)
	})
}

// noSecret looks for what a document says in every table.
func (w *world) noSecret(t testing.TB, known ...authority.Person) {
	t.Helper()
	dump := w.dump(t)
	for _, p := range known {
		secrets := []string{p.Number, p.Number[6:], base64.StdEncoding.EncodeToString([]byte(p.Number))}
		for _, card := range p.Cards {
			secrets = append(secrets, card.Number)
		}
		for _, secret := range append(secrets, p.Name) {
			if i := strings.Index(dump, secret); i >= 0 {
				t.Errorf("the database holds a part of %s's document: …%s", p.Name, dump[max(0, i-60):i])
			}
		}
	}
	if !strings.Contains(dump, "identity.check_decided") {
		t.Error("the dump is not whole")
	}
}

func (w *world) dump(t testing.TB) string {
	t.Helper()
	var out strings.Builder
	for table, columns := range w.tables(t) {
		w.dumpTable(t, &out, table, columns)
	}
	return out.String()
}

func (w *world) dumpTable(t testing.TB, out io.Writer, table string, columns []string) {
	t.Helper()
	rows, err := w.DB.Read.QueryContext(t.Context(), "SELECT "+strings.Join(columns, ", ")+" FROM "+table)
	must(t, err)
	defer rows.Close()
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		must(t, rows.Scan(into...))
		for i, value := range values {
			if raw, ok := value.([]byte); ok {
				value = string(raw)
			}
			fmt.Fprintln(out, table, columns[i], value)
		}
	}
	must(t, rows.Err())
}

// TestIdentityRefused sends what must be refused, and nothing is written.
func TestIdentityRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.payer(t, "+8613900000001")
		asJPEG, asPNG := pictures(t)
		doc := func(more map[string]any) apitest.Request {
			body := map[string]any{"kind": "resident_id", "name": "赵一", "number": "110101199001019087"}
			maps.Copy(body, more)
			return p.identityPost("", body)
		}
		for _, test := range []struct {
			status int
			code   string
			call   apitest.Request
		}{
			{400, "identity.bad_number", doc(map[string]any{"number": "110101199001019088"})},
			{400, "identity.bad_number", doc(map[string]any{"number": "110101199002300110"})},
			{400, "identity.bad_country", doc(map[string]any{"country": "USA"})},
			{400, "identity.bad_name", doc(map[string]any{"name": "赵1"})},
			{400, "identity.document_expired", doc(map[string]any{"expires_on": "2020-01-01"})},
			{400, "identity.bad_birth_date", doc(map[string]any{"birth_on": "1990-01-02"})},
			{403, "identity.underage", doc(map[string]any{
				"kind": "passport", "country": "FRA", "number": "12AB34567",
				"expires_on": "2090-01-01", "birth_on": "2020-01-01",
			})},
			{400, "identity.bad_expiry", doc(map[string]any{
				"kind": "passport", "country": "FRA", "number": "12AB34567",
				"birth_on": "1990-01-01",
			})},
			{400, "request.bad_field", doc(map[string]any{"kind": "library_card"})},
			{400, "request.bad_field", doc(map[string]any{"expires_on": "2090-02-30"})},
		} {
			problem := w.refused(t, test.status, test.code, test.call)
			if strings.Contains(fmt.Sprint(problem), "1101011990") {
				t.Errorf("%s shows the number: %+v", test.code, problem)
			}
		}
		w.ok(t, 200, doc(nil), nil)
		big := append(bytes.Clone(asJPEG), make([]byte, identity.ImageMax)...)
		for _, test := range []struct {
			status int
			code   string
			call   apitest.Request
		}{
			{413, "identity.image_too_large", p.image("front", big[:identity.ImageMax+1])},
			{413, "request.too_large", p.image("front", append(big, big...))},
			{400, "identity.bad_image", p.image("front", []byte("GIF89a..."))},
			{400, "identity.bad_image", p.image("front", asJPEG[:len(asJPEG)/2])},
			{400, "identity.bad_image", p.image("front", asPNG[:20])},
			{400, "identity.bad_image", p.image("front", append([]byte("\xff\xd8\xff"), asPNG...))},
			{400, "request.bad_field", p.image("selfie", asJPEG)},
			{400, "identity.bad_card", p.identityPost("/checks", map[string]any{"channel": "card"})},
			{400, "identity.bad_account", p.identityPost("/checks", map[string]any{"channel": "bank_transfer"})},
			{400, "request.bad_field", p.identityPost("/checks", map[string]any{"channel": "astrology"})},
			{409, "identity.not_asked", p.identityPost("/checks/bank_transfer/answer", map[string]any{"amount": 1})},
			{400, "request.bad_field", p.identityPost("/checks/card/answer", map[string]any{"amount": 1})},
		} {
			w.refused(t, test.status, test.code, test.call)
		}
		// Who is frozen may look and not act.
		admin := w.staff(t, party.RoleAdmin)
		w.ok(t, 204, apitest.Request{
			Method: "PUT", Path: "/ops/v1/customers/" + string(p.id) + "/state", Token: admin,
			Body: map[string]any{"state": "frozen"},
		}, nil)
		w.Clock.Advance(3 * time.Second) // what sessions are remembered for
		w.refused(t, 403, "auth.frozen", doc(nil))
		w.refused(t, 403, "auth.frozen", p.image("front", asJPEG))
		w.refused(t, 403, "auth.frozen", p.identityPost("/checks", map[string]any{"channel": "authority"}))
		var view identity.View
		w.ok(t, 200, get("/wallet/v1/identity", p.token), &view)
		// What classes allow is what the jurisdiction's preset says, and nothing of its own.
		preset, err := limit.ReadPreset(w.Config.Jurisdiction)
		must(t, err)
		for _, class := range view.Classes {
			for _, shown := range class.Limits {
				found := slices.ContainsFunc(preset.Rules, func(r limit.Rule) bool {
					return r.ID == shown.Rule && r.Kind == "class" && r.Period == shown.Period && *r.Minor == *shown.Minor
				})
				if !found {
					t.Errorf("class %d shows %+v", class.Class, shown)
				}
			}
			if len(class.Limits) == 0 {
				t.Errorf("class %d shows no limit", class.Class)
			}
		}
	})
}

// TestIdentityReview puts the second one with a document into the queue, and staff decide.
func TestIdentityReview(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		known := authority.SeedPeople()[0]
		first, second := w.payer(t, "+8613900000001"), w.payer(t, "+8613900000002")
		w.ok(t, 200, first.document(known), nil)
		w.ok(t, 200, second.document(known), nil)
		w.refused(t, 409, "identity.in_review", second.document(known))
		w.refused(t, 409, "identity.in_review", second.identityPost("/checks", map[string]any{"channel": "authority"}))
		compliance := w.staff(t, party.RoleCompliance)
		var page struct{ Data []identity.ReviewLine }
		w.ok(t, 200, get("/ops/v1/identity/reviews", compliance), &page)
		if len(page.Data) != 1 || page.Data[0].Customer != second.id || page.Data[0].Reason != identity.ReasonDuplicate {
			t.Fatalf("%+v", page)
		}
		var view identity.StaffView
		w.ok(t, 200, get("/ops/v1/identity/reviews/"+string(second.id), compliance), &view)
		if len(view.Others) != 1 || view.Others[0] != string(first.id) {
			t.Errorf("%+v", view)
		}
		decide := func(p person, how string) apitest.Request {
			return apitest.Request{
				Method: "POST", Path: "/ops/v1/identity/reviews/" + string(p.id) + "/" + how, Token: compliance,
				Body: map[string]any{"reason": "looked at both images"},
			}
		}
		w.refused(t, 409, "identity.not_in_review", decide(first, "approve"))
		w.ok(t, 200, decide(second, "refuse"), &view)
		if view.State != identity.StateRefused || view.Class != 0 {
			t.Errorf("%+v", view)
		}
		var own identity.View
		w.ok(t, 200, second.document(known), &own)
		if own.State != identity.StateReview || own.Reason != "" { // why is for staff
			t.Errorf("%+v", own)
		}
		view = identity.StaffView{}
		w.ok(t, 200, get("/ops/v1/identity/reviews/"+string(second.id), compliance), &view)
		if view.State != identity.StateReview || view.Reason != identity.ReasonRefusedBefore {
			t.Errorf("%+v", view)
		}
		var out identity.Overridden
		w.done(t, 200, decide(second, "approve"), &out)
		if out.State != identity.StateOpen || !out.Later || out.Class != 0 {
			t.Errorf("%+v", out)
		}
		w.ok(t, 200, get("/ops/v1/identity/reviews/"+string(second.id), compliance), &view)
		if view.State != identity.StateOpen || !view.Later || view.Next.Class != 2 {
			t.Errorf("%+v", view)
		}
		w.refused(
			t,
			404,
			"identity.not_found",
			get("/ops/v1/identity/reviews/"+string(id.New[id.Customer](instant)), compliance),
		)
	}, alone)
}

// lockedBuffer takes what is logged.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// TestIdentitySilence runs every fault, and nothing of a document is in the log or in a table. It sets the
// process's log and so does not run beside others.
func TestIdentitySilence(t *testing.T) { //nolint:paralleltest // see above
	log := &lockedBuffer{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(before) })
	w := start(t, "sqlite", func(c *config.Config) { c.LogLevel = slog.LevelDebug })
	secrets := []string{"6222020000000000042", "9555010000000041"}
	for i, number := range []string{
		"11010119900101901X", "110101199001019036", "110101199001019044", "110101199001019052", "110101199001019060",
		"110101199001019079",
	} {
		p := w.payer(t, fmt.Sprintf("+861390000000%d", i))
		secrets = append(secrets, number)
		w.ok(t, 200, p.identityPost("", map[string]any{"kind": "resident_id", "name": "欧阳测试", "number": number}), nil)
		for _, body := range []map[string]any{
			{"channel": "card", "card_number": secrets[0]},
			{"channel": "bank_transfer", "account_number": secrets[1]},
			{"channel": "phone"},
		} {
			w.ok(t, 200, p.identityPost("/checks", body), nil)
		}
	}
	eventually(t, "all checks were tried", func() bool {
		return w.count(t, "SELECT count(*) FROM identity_checks WHERE state = 'waiting'") == 0
	})
	time.Sleep(100 * time.Millisecond)
	log.mu.Lock()
	text := log.text.String()
	log.mu.Unlock()
	dump := w.dump(t)
	for _, secret := range append(secrets, "欧阳测试") {
		if strings.Contains(text, secret) || strings.Contains(dump, secret) {
			t.Errorf(
				"%s is in the log (%v) or in a table (%v)",
				secret,
				strings.Contains(text, secret),
				strings.Contains(dump, secret),
			)
		}
	}
	if !strings.Contains(text, "/wallet/v1/identity/checks") || !strings.Contains(dump, "identity_checks") {
		t.Error("the log or the dump is not whole")
	}
}
