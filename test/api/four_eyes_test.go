package api_test

import (
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/vault"
)

// storedImage is an image of a document that staff may see.
type storedImage struct {
	id       id.IdentityImage
	customer id.Customer
}

// reviewed is an image of a customer whose verification has begun.
func (w *world) reviewed(t testing.TB) storedImage {
	t.Helper()
	known := authority.SeedPeople()[3]
	p := w.payer(t, "+8613700000001")
	w.ok(t, 200, p.document(known), nil)
	asJPEG, _ := pictures(t)
	w.ok(t, 200, p.image("front", asJPEG), nil)
	names := w.texts(t, "SELECT id FROM identity_images WHERE customer_id = $1", string(p.id))
	return storedImage{id: id.IdentityImage(names[0]), customer: p.id}
}

// inReview is a customer whose document another one has shown.
func (w *world) inReview(t testing.TB) person {
	t.Helper()
	known := authority.SeedPeople()[0]
	if w.count(t, "SELECT count(*) FROM identity_documents") < 2 {
		w.ok(t, 200, w.payer(t, "+8613700000002").document(known), nil)
	}
	p := w.payer(t, "+861370"+string('1'+rune(w.next()%9))+"0000"+strings.Repeat("3", 2))
	w.ok(t, 200, p.document(known), nil)
	return p
}

// twoPeople is one kind of act that two people decide: how it is asked for, what it changes, how it becomes stale.
type twoPeople struct {
	role   party.Role
	call   func(token string) apitest.Request
	status int    // where one person is enough
	before string // is in the difference
	after  string
	done   string // a query that counts 1 once it is done, and 0 before
	record string // the kind of its audit record
	// moves lets the world move on, so that what was seen does not stand any more; code is what is said then.
	moves func()
	code  string
}

func (w *world) kinds(t testing.TB) map[string]twoPeople {
	t.Helper()
	why := func(more map[string]any) map[string]any { more["reason"] = "a test"; return more }
	const rule = "cn.day.two_factors"
	waits := w.inReview(t)
	_, err := w.Vault.Rotate(t.Context(), "card.pan", nil)
	must(t, err)
	w.Clock.Advance(vault.RetireAfter)
	return map[string]twoPeople{
		approval.LimitChange: {
			role: party.RoleRisk, status: 201, record: "limit.changed",
			call: func(token string) apitest.Request {
				return ops("POST", "/limits/"+rule+"/changes", token, why(map[string]any{"amount_minor": 100}))
			},
			before: `{"in_force_minor":500000,"coming":[]}`, after: `{"in_force_minor":100,"coming":[]}`,
			done: "SELECT count(*) FROM limit_changes WHERE rule_id = '" + rule + "' AND amount_minor = 100",
			moves: func() {
				figure := int64(777)
				_, err := w.Limits.Change(t.Context(), limit.NewChange{Rule: rule, Minor: &figure, Reason: "own", Staff: "stf_x"})
				must(t, err)
			},
			code: "approval.stale",
		},
		approval.KeyRotate: {
			role: party.RoleAdmin, status: 201, record: "key.rotated",
			call: func(token string) apitest.Request {
				return ops("POST", "/keys/identity.image/rotations", token, why(map[string]any{}))
			},
			before: `"version":1,"state":"active"`, after: `"version":2,"state":"active"`,
			done: "SELECT count(*) FROM data_keys WHERE id = 'identity.image/2' AND state = 'active' AND length(wrapped) > 0",
			moves: func() {
				_, err := w.Vault.Rotate(t.Context(), "identity.image", nil)
				must(t, err)
			},
			code: "approval.stale",
		},
		approval.KeyRetire: {
			role: party.RoleAdmin, status: 200, record: "key.retired",
			call: func(token string) apitest.Request {
				return ops("POST", "/keys/card.pan/versions/1/retire", token, why(map[string]any{}))
			},
			before: `"version":1,"state":"old"`, after: `"version":1,"state":"retired"`,
			done: "SELECT count(*) FROM data_keys WHERE id = 'card.pan/1' AND state = 'retired' AND wrapped IS NULL",
			moves: func() {
				_, err := w.Vault.Retire(t.Context(), "card.pan", 1, nil)
				must(t, err)
			},
			code: "vault.key_retired",
		},
		identity.Override: {
			role: party.RoleCompliance, status: 200, record: "identity.approved",
			call: func(token string) apitest.Request {
				return ops("POST", "/identity/reviews/"+string(waits.id)+"/approve", token, why(map[string]any{}))
			},
			before: `"state":"review"`, after: `"state":"open"`,
			done: "SELECT count(*) FROM identities WHERE customer_id = '" + string(waits.id) + "' AND state = 'open'",
			moves: func() { // another image is another thing to look at
				asJPEG, _ := pictures(t)
				_, err := w.Identity.AddImage(t.Context(), waits.id, identity.SideFront, asJPEG)
				must(t, err)
			},
			code: "approval.stale",
		},
	}
}

// TestFourEyesKinds takes limits, data keys and verification through proposal and approval.
func TestFourEyesKinds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for kind, test := range w.kinds(t) {
			maker, checker := w.colleague(t, test.role, ""), w.colleague(t, test.role, "")
			other := w.colleague(t, party.RoleFinance, "")
			call := test.call(maker.token)
			before := w.count(t, test.done)
			proposal, _ := w.propose(t, call)
			if proposal.Kind != kind || !strings.Contains(string(proposal.Before), test.before) ||
				!strings.Contains(string(proposal.After), test.after) {
				t.Errorf("%s shows %s, %s", kind, proposal.Before, proposal.After)
			}
			if before != 0 || w.count(t, test.done) != 0 {
				t.Errorf("%s is done by one person", kind)
			}
			w.refused(t, 403, "approval.same_person", verdict(proposal.ID, "approve", maker.token))
			w.refused(t, 403, "approval.not_allowed", verdict(proposal.ID, "approve", other.token))
			var acted api.Acted
			w.ok(t, 200, verdict(proposal.ID, "approve", checker.token), &acted)
			if w.count(t, test.done) != 1 || acted.Proposal.Checker != checker.id {
				t.Errorf("%s: %+v", kind, acted.Proposal)
			}
			w.refused(t, 409, "approval.not_open", verdict(proposal.ID, "approve", checker.token))
			record := "SELECT count(*) FROM audit_records WHERE kind = $1 AND actor = $2 AND proposal_id = $3 AND before_json <> ''"
			if n := w.count(t, record, test.record, string(checker.id), string(proposal.ID)); n != 1 {
				t.Errorf("%s left %d records of kind %s", kind, n, test.record)
			}
		}
		w.trailHolds(t)
	}, noon)
}

// TestFourEyesMovedOn: what was proposed is not carried out once the world has moved on, and what was refused neither.
func TestFourEyesMovedOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for kind, test := range w.kinds(t) {
			maker, checker := w.colleague(t, test.role, ""), w.colleague(t, test.role, "")
			refused, _ := w.propose(t, test.call(maker.token))
			w.ok(t, 200, verdict(refused.ID, "refuse", checker.token), nil)
			proposal, _ := w.propose(t, test.call(maker.token))
			test.moves()
			w.refused(t, 409, test.code, verdict(proposal.ID, "approve", checker.token))
			var view api.ProposalView
			w.ok(t, 200, get("/ops/v1/proposals/"+string(proposal.ID), checker.token), &view)
			if !view.Stale {
				t.Errorf("%s: %+v", kind, view)
			}
		}
		w.trailHolds(t)
	}, noon)
}

// TestFourEyesAlone: a kind that is not in the list is done at once, and is in the trail all the same.
func TestFourEyesAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for kind, test := range w.kinds(t) {
			maker := w.colleague(t, test.role, "")
			w.ok(t, test.status, test.call(maker.token), nil)
			record := "SELECT count(*) FROM audit_records WHERE kind = $1 AND actor = $2 AND proposal_id = ''"
			if w.count(t, test.done) != 1 || w.count(t, record, test.record, string(maker.id)) != 1 {
				t.Errorf("%s was not done, or not recorded", kind)
			}
		}
		if n := w.count(t, "SELECT count(*) FROM proposals"); n != 0 {
			t.Errorf("%d proposals", n)
		}
		w.trailHolds(t)
	}, noon, func(c *config.Config) { c.FourEyes = "" })
}
