package api_test

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/privacy"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
)

// TestPrivacy exports all that is held about a customer and erases what may go.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 10_000), w.person(t, 0)
		officer, support := w.colleague(t, party.RoleCompliance, ""), w.colleague(t, party.RoleSupport, "")
		w.paid(t, w.shop(t, party.NewMerchant{}), p, 4_000)
		noted := p.transfer(w, other, 6_000)
		noted.Body.(map[string]any)["note"] = "for the tea" //nolint:forcetypeassert,errcheck // transfer made it
		w.ok(t, 201, noted, nil)
		plastic := w.debit(t, p, 0)
		w.bound(t, p, plastic)
		known := authority.SeedPeople()[3]
		w.class(t, p, 0)
		asJPEG, _ := pictures(t)
		w.ok(t, 200, p.document(known), nil)
		w.ok(t, 200, p.image("front", asJPEG), nil)
		w.ok(t, 200, p.identityPost("/checks", map[string]any{"channel": "authority"}), nil)
		w.identity(t, p)
		w.ok(t, 200, other.document(known), nil) // waits for staff
		path := "/customers/" + string(p.id)
		why := map[string]any{"reason": "asked by letter"}

		w.refused(t, 403, "auth.permission_missing", ops("POST", path+"/exports", support.token, why))
		_, answer := w.send(t, ops("POST", path+"/exports", officer.token, why))
		if answer.Status != 200 {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
		export := jsonOf(t, answer.Body)
		for _, section := range privacy.Sections(privacy.KindCustomer) {
			if _, there := export[section.Name]; !there {
				t.Errorf("the export lacks %s", section.Name)
			}
		}
		for _, section := range []string{
			"customer", "devices", "bank_accounts", "payments", "transfers", "top_ups", "postings", "audit_records",
			"identities", "identity_documents", "identity_checks", "identity_images", "limit_counters", "cards", "card_agreements",
		} {
			if rows, _ := export[section].([]any); len(rows) == 0 {
				t.Errorf("the export has no %s", section)
			}
		}
		for _, secret := range []string{"argon2id", p.token, "password_hash", "bank_token", plastic.Number, "sealed", string(other.id) + `","shown`} {
			if strings.Contains(string(answer.Body), secret) {
				t.Errorf("the export holds %s", secret)
			}
		}

		for _, own := range []string{known.Number, known.Name, base64.StdEncoding.EncodeToString(asJPEG)} {
			if !strings.Contains(string(answer.Body), own) {
				t.Errorf("the export lacks %.20s", own)
			}
		}

		erase := ops("POST", path+"/erasure", officer.token, why)
		w.refused(t, 409, "privacy.not_closed", erase)
		w.ok(t, 204, ops("PUT", path+"/state", support.token, map[string]any{"state": "frozen"}), nil)
		w.ok(t, 204, ops("PUT", path+"/state", support.token, map[string]any{"state": "closed"}), nil)
		var erasure privacy.Erasure
		w.ok(t, 201, erase, &erasure)
		w.quiet(t)
		if years := erasure.RetainUntil.Year() - erasure.CreatedAt.Year(); years != 10 || erasure.State != privacy.Retained {
			t.Errorf("%+v", erasure)
		}
		w.refused(t, 409, "privacy.erasure_exists", erase)
		for query, want := range map[string]int64{
			"SELECT count(*) FROM customers WHERE id = $1 AND password_hash = '' AND phone = '" + p.phone + "'": 1,
			"SELECT count(*) FROM pins WHERE id = $1":                                                           0,
			"SELECT count(*) FROM devices WHERE customer_id = $1 AND name <> 'erased'":                          0,
			"SELECT count(*) FROM sessions WHERE subject_id = $1":                                               0,
			"SELECT count(*) FROM bank_accounts WHERE customer_id = $1 AND masked <> ''":                        1,
		} {
			if n := w.count(t, query, string(p.id)); n != want {
				t.Errorf("%s: %d, want %d", query, n, want)
			}
		}
		left := map[string]int64{ // what names the person, before and after the time is over
			"SELECT count(*) FROM cards WHERE customer_id = $1 AND masked <> '' AND sealed_pan IS NULL AND pan_key IS NULL": 1,
			"SELECT count(*) FROM card_agreements WHERE customer_id = $1 AND number <> ''":                                  1,
			"SELECT count(*) FROM card_holders WHERE id = $1":                                                               1,
			"SELECT count(*) FROM identities WHERE customer_id = $1 AND length(sealed) > 0":                                 1,
			"SELECT count(*) FROM identity_images WHERE customer_id = $1":                                                   1,
			"SELECT count(*) FROM identity_checks WHERE customer_id = $1":                                                   1,
			"SELECT count(*) FROM identity_documents WHERE customer_id = $1":                                                1,
			"SELECT count(*) FROM limit_counters WHERE id LIKE $1 || '/%'":                                                  1,
		}
		for query, want := range left {
			if n := w.count(t, query, string(p.id)); n != want {
				t.Errorf("retained: %s: %d, want %d", query, n, want)
			}
		}
		if n := w.count(t, "SELECT count(*) FROM cards WHERE customer_id = $1 AND state = 'unbound'", string(p.id)); n != 1 {
			t.Error("the issuer still has the binding")
		}
		must(t, w.Privacy.FinishDue(t.Context())) // too early
		w.Clock.Advance(erasure.RetainUntil.Sub(w.Clock.Now()) + hour)
		must(t, w.Privacy.FinishDue(t.Context()))
		must(t, w.Privacy.FinishDue(t.Context()))
		for query := range left {
			if n := w.count(t, query, string(p.id)); n != 0 {
				t.Errorf("erased: %s: %d", query, n)
			}
		}
		if n := w.count(t, "SELECT count(*) FROM identities WHERE customer_id = $1", string(other.id)); n != 1 {
			t.Error("another customer's document went too")
		}
		if n := w.count(
			t,
			"SELECT count(*) FROM customers WHERE id = $1 AND name = 'erased' AND phone LIKE 'erased:%'",
			string(p.id),
		); n != 1 {
			t.Error("the name is there still")
		}
		if n := w.count(
			t,
			"SELECT count(*) FROM audit_records WHERE kind = 'customer.erased' AND subject = $1",
			string(p.id),
		); n != 1 {
			t.Errorf("erased %d times", n)
		}
		w.gone(t, p.phone, known.Number, "for the tea")
		w.trailHolds(t)
	})
}

// TestUserPrivacy exports what is held about a merchant's user and erases it: what signs in at once, the name when the
// time is over; of a user who never came in, all at once.
func TestUserPrivacy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		shop, officer := w.shop(t, party.NewMerchant{}), w.colleague(t, party.RoleCompliance, "")
		owner, person := w.user(t, shop.id, "", party.MerchantOwner), w.user(t, shop.id, "", party.MerchantViewer)
		path, why := "/users/"+string(person.ID), map[string]any{"reason": "asked by letter"}
		w.refused(t, 404, "party.user_not_found", ops("POST", "/users/"+string(id.New[id.MerchantUser](instant))+"/exports",
			officer.token, why))
		export := w.export(t, ops("POST", path+"/exports", officer.token, why), person.Email, person.Name, string(shop.id))
		for _, section := range []string{"user", "sessions", "audit_records"} {
			if rows, _ := export[section].([]any); len(rows) == 0 {
				t.Errorf("the export has no %s", section)
			}
		}

		erase := ops("POST", path+"/erasure", officer.token, why)
		w.refused(t, 404, "privacy.no_erasure", ops("GET", path+"/erasure", officer.token, nil))
		w.refused(t, 409, "privacy.not_closed", erase)
		closes := func(name id.MerchantUser) {
			w.ok(t, 200, apitest.Request{
				Method: "PUT",
				Path:   "/merchant/v1/users/" + string(name),
				Token:  owner.token,
				Body:   map[string]any{"state": "closed"},
			}, nil)
		}
		closes(person.ID)
		var erasure privacy.Erasure
		w.ok(t, 201, erase, &erasure)
		if years := erasure.RetainUntil.Year() - erasure.CreatedAt.Year(); years != 10 || erasure.State != privacy.Retained {
			t.Errorf("%+v", erasure)
		}
		w.refused(t, 409, "privacy.erasure_exists", erase)
		if n := w.count(t, `SELECT count(*) FROM merchant_users WHERE id = $1 AND password_hash = ''
			AND invitation_hash IS NULL AND email = $2`, string(person.ID), person.Email); n != 1 {
			t.Error("the password is there still, or the address is not")
		}
		if n := w.count(t, "SELECT count(*) FROM sessions WHERE subject_id = $1", string(person.ID)); n != 0 {
			t.Errorf("%d sessions are left", n)
		}

		invited, token, err := w.Auth.Invite(t.Context(), party.NewMerchantUser{
			Merchant: shop.id, Email: "never@came.example", Name: "Never Came", Role: party.MerchantViewer,
		})
		must(t, err)
		closes(invited.ID)
		w.ok(t, 201, ops("POST", "/users/"+string(invited.ID)+"/erasure", officer.token, why), &erasure)
		if erasure.State != privacy.Erased {
			t.Errorf("%+v", erasure)
		}
		w.gone(t, invited.Email, invited.Name, token)

		must(t, w.Privacy.FinishDue(t.Context())) // too early
		w.Clock.Advance(10*366*24*hour + hour)
		must(t, w.Privacy.FinishDue(t.Context()))
		w.gone(t, person.Email)
		if n := w.count(t, "SELECT count(*) FROM merchant_users WHERE email = $1", owner.Email); n != 1 {
			t.Error("another user went too")
		}
		w.trailHolds(t)
	})
}

// TestApplicationPrivacy exports an application, and what it says of one person; erases what never became a merchant
// at once, and what did when the time after the merchant's end is over.
func TestApplicationPrivacy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		officer := w.colleague(t, party.RoleCompliance, "")
		why := map[string]any{"reason": "asked by letter"}
		details := w.details()
		var made api.NewApplication
		w.ok(t, 201, apitest.Request{Method: "POST", Path: "/merchant/v1/applications", Body: details}, &made)
		name := made.Application.ID
		path := "/applications/" + string(name)
		w.ready(t, made.Token)
		asBase64 := base64.StdEncoding.EncodeToString(pdf)
		representative, contact, account := "11010519491231002X", "13812345678", "6222020200112233445"

		w.export(t, ops("POST", path+"/exports", officer.token, why), representative, contact, account, asBase64, "Li Si")
		of := func(person string) apitest.Request {
			return ops("POST", path+"/exports", officer.token, map[string]any{"reason": "asked by letter", "person": person})
		}
		w.refused(t, 404, "privacy.person_not_found", of("Wang Wu"))
		w.export(t, of("Zhang San"), representative, "beneficial_owner", asBase64)
		own := w.body(t, of("Zhang San"))
		for _, others := range []string{"Li Si", contact, account} {
			if strings.Contains(own, others) {
				t.Errorf("the representative gets %s", others)
			}
		}
		if theirs := w.body(t, of("Li Si")); strings.Contains(theirs, representative) || strings.Contains(theirs, asBase64) ||
			!strings.Contains(theirs, contact) {
			t.Errorf("the contact gets %.400s", theirs)
		}

		erase := ops("POST", path+"/erasure", officer.token, why)
		w.refused(t, 409, "privacy.not_closed", erase) // under review
		var approved onboarding.Application
		w.ok(t, 200, w.review(officer.token, name, map[string]any{"state": "approved", "reason": "all is there"}), &approved)
		w.refused(t, 409, "privacy.not_closed", erase) // has made a merchant
		must(t, w.Parties.SetMerchantState(t.Context(), approved.Merchant, party.StateClosed, "gave up"))
		var erasure privacy.Erasure
		w.ok(t, 201, erase, &erasure)
		if years := erasure.RetainUntil.Year() - erasure.CreatedAt.Year(); years != 10 || erasure.State != privacy.Retained {
			t.Errorf("%+v", erasure)
		}
		w.refused(t, 401, "onboarding.token_invalid", get("/merchant/v1/application", made.Token))
		if n := w.count(t, "SELECT count(*) FROM merchant_documents WHERE application_id = $1", string(name)); n != 3 {
			t.Errorf("%d documents are kept", n)
		}

		// A refused one, and a draft that nobody came back to.
		refused, draft := w.applicant(t), w.applicant(t)
		w.ready(t, refused.Token)
		w.ok(t, 200, w.review(officer.token, refused.Application.ID, map[string]any{"state": "refused", "reason": "no"}), nil)
		asked := ops("POST", "/applications/"+string(refused.Application.ID)+"/erasure", officer.token, why)
		w.ok(t, 201, asked, &erasure)
		if erasure.State != privacy.Erased {
			t.Errorf("%+v", erasure)
		}
		w.refused(t, 409, "privacy.erasure_exists", asked)
		w.gone(t, refused.Application.Email)
		w.Clock.Advance(179 * 24 * hour)
		must(t, w.Privacy.FinishDue(t.Context()))
		if n := w.count(t, "SELECT count(*) FROM merchant_applications WHERE id = $1", string(draft.Application.ID)); n != 1 {
			t.Error("a draft went while its token opens it")
		}
		w.Clock.Advance(2 * 24 * hour)
		must(t, w.Privacy.FinishDue(t.Context()))
		w.gone(t, draft.Application.Email)

		w.Clock.Advance(10 * 366 * 24 * hour)
		must(t, w.Privacy.FinishDue(t.Context()))
		if n := w.count(
			t,
			"SELECT count(*) FROM merchant_applications",
		) + w.count(
			t,
			"SELECT count(*) FROM merchant_documents",
		); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		w.trailHolds(t)
	})
}

// export asks for an export, wants words in it, and returns it.
func (w *world) export(t *testing.T, call apitest.Request, words ...string) map[string]any {
	t.Helper()
	text := w.body(t, call)
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("the export lacks %.40s", word)
		}
	}
	for _, secret := range []string{"argon2id", "password_hash", "token_hash", "invitation_hash", "sealed"} {
		if strings.Contains(text, secret) {
			t.Errorf("the export holds %s", secret)
		}
	}
	return jsonOf(t, []byte(text))
}

// body returns the body of a 200.
func (w *world) body(t *testing.T, call apitest.Request) string {
	t.Helper()
	_, answer := w.send(t, call)
	if answer.Status != 200 {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	return string(answer.Body)
}

// gone wants no word in any cell of any table, the audit trail too.
func (w *world) gone(t *testing.T, words ...string) {
	t.Helper()
	for table, columns := range w.allTables(t) {
		var out strings.Builder
		w.dumpTable(t, &out, table, columns)
		for _, word := range words {
			if strings.Contains(out.String(), word) {
				t.Errorf("table %s still has %s", table, word)
			}
		}
	}
}

// TestSectionsAreWhole wants every column of every table in an export, or in the list of what is left out and why: who
// adds one adds a line.
func TestSectionsAreWhole(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		omitted := privacy.Omitted()
		reads := map[string]string{} // the queries that read a table
		for _, kind := range []privacy.Kind{privacy.KindCustomer, privacy.KindUser, privacy.KindApplication} {
			for _, section := range privacy.Sections(kind) {
				for _, match := range fromTable.FindAllStringSubmatch(section.Query, -1) {
					reads[match[1]] += " " + section.Query
				}
			}
		}
		held := w.allTables(t)
		for _, own := range []string{"goose_lock", "sqlite_sequence"} { // of one engine each
			delete(held, own)
		}
		for table, columns := range held {
			if omitted[table] != "" {
				if reads[table] != "" && table != "sessions" {
					t.Errorf("%s is left out and read", table)
				}
				continue
			}
			for _, column := range columns {
				name := regexp.MustCompile(`\b` + column + `\b`)
				if !name.MatchString(reads[table]) && omitted[table+"."+column] == "" {
					t.Errorf("no section reads %s.%s, and privacy.Omitted does not say why", table, column)
				}
			}
		}
		for name := range omitted {
			table, column, _ := strings.Cut(name, ".")
			if columns, there := held[table]; !there || column != "" && !slices.Contains(columns, column) {
				t.Errorf("privacy.Omitted has %s, which is not there", name)
			}
		}
	})
}

var fromTable = regexp.MustCompile(`(?:FROM|JOIN)\s+(\w+)`)
