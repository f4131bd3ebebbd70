package api_test

import (
	"context"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
)

func never[Req, Resp any](context.Context, *Req) (*Resp, error) { return nil, context.Canceled }

// Requests of which Go would drop a member without a word.
type (
	// DryRun has a member of its own name, which the embedded struct itself takes.
	DryRun struct {
		DryRun bool `query:"dry_run"`
	}
	noted struct {
		Note string `json:"note"`
	}
	alsoNoted struct {
		Note string `json:"other_note"`
	}
	twoNotes struct {
		noted
		alsoNoted
	}
	renoted struct {
		noted
		Note string `json:"own_note"`
	}
	deep struct {
		Inner renoted `json:"inner"`
	}
	sameNames struct {
		noted
		Other string `json:"note"`
	}
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := api.Route{Method: "POST", Path: "/v1/x", Actor: api.ActorMerchant, Name: "x", Tag: "X", Summary: "X"}
	route := func(change func(*api.Route)) api.Route { r := good; change(&r); return r }
	plain := func(change func(*api.Route)) api.Endpoint {
		return api.Handle(route(change), never[struct{}, whoami])
	}
	get := route(func(r *api.Route) { r.Method = "GET" })
	for name, test := range map[string]struct {
		endpoint api.Endpoint
		why      string
	}{
		"NoActor":          {plain(func(r *api.Route) { r.Actor = "" }), "no actor"},
		"UnknownActor":     {plain(func(r *api.Route) { r.Actor = "robot" }), "no actor"},
		"StaffWithout":     {plain(func(r *api.Route) { r.Actor = api.ActorStaff }), "permission"},
		"PermissionOfNone": {plain(func(r *api.Route) { r.Permission = "x" }), "permission"},
		"Method":           {plain(func(r *api.Route) { r.Method = "TRACE" }), "method"},
		"Path":             {plain(func(r *api.Route) { r.Path = "v1" }), "slash"},
		"Name":             {plain(func(r *api.Route) { r.Name = "" }), "name"},
		"PathParameter":    {plain(func(r *api.Route) { r.Path = "/v1/{id}" }), "every parameter"},
		"NotInPath":        {api.Handle(good, never[getReceipt, whoami]), "disagree"},
		"FromNowhere":      {api.Handle(good, never[struct{ Name string }, whoami]), "nowhere"},
		"BodyOfGet":        {api.Handle(get, never[createReceipt, whoami]), "body"},
		"NoStruct":         {api.Handle(good, never[string, whoami]), "struct"},
		"HeaderCase": {api.Handle(good, never[struct {
			X string `header:"x-y"` //nolint:tagliatelle // the mistake is the case
		}, whoami]), "write the header"},
		"Float": {api.Handle(good, never[struct {
			Body struct {
				Rate float64 `json:"rate"`
			}
		}, whoami]), "cannot hold"},
		"Interface": {api.Handle(good, never[struct {
			Body struct {
				Any any `json:"any"`
			}
		}, whoami]), "cannot hold"},
		"NoJSONName":       {api.Handle(good, never[struct{ Body struct{ Name string } }, whoami]), "no name"},
		"HidingParameter":  {api.Handle(good, never[struct{ DryRun }, whoami]), "hides api_test.DryRun.DryRun"},
		"AmbiguousMember":  {api.Handle(good, never[struct{ Body twoNotes }, whoami]), "hides api_test.noted.Note"},
		"HidingMember":     {api.Handle(good, never[struct{ Body renoted }, whoami]), "hides api_test.noted.Note"},
		"HidingDeepMember": {api.Handle(good, never[struct{ Body []deep }, whoami]), "hides api_test.noted.Note"},
		"MemberTwice":      {api.Handle(good, never[struct{ Body sameNames }, whoami]), "two members \"note\""},
		"ParameterTwice": {api.Handle(good, never[struct {
			First  string `query:"note"`
			Second string `query:"note"`
		}, whoami]), "query parameter note twice"},
		"Collision": {api.Handle(route(func(r *api.Route) {
			r.Path, r.Name = "/v1/receipts", "other"
		}), never[struct{}, whoami]), "conflicts"},
		"NameTwice": {plain(func(r *api.Route) { r.Name = "create_receipt" }), "duplicate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				reason := recover()
				text, _ := reason.(string)
				if err, ok := reason.(error); ok {
					text = err.Error()
				}
				if !strings.Contains(text, test.why) {
					t.Errorf("panic %v, want one about %q", reason, test.why)
				}
			}()
			newServer(t, func(o *api.Options) { o.Endpoints = append(o.Endpoints, test.endpoint) })
			t.Error("the server was built")
		})
	}
	t.Run("NoVerifier", func(t *testing.T) {
		t.Parallel()
		defer func() {
			if reason, _ := recover().(string); !strings.Contains(reason, "no verifier") {
				t.Errorf("panic %v", reason)
			}
		}()
		newServer(t, func(o *api.Options) { o.Verifiers.Staff = nil })
		t.Error("the server was built")
	})
}
