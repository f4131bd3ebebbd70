package api_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/party"
)

// proxied lets tests come from anywhere: loopback is the operator's proxy.
func proxied(c *config.Config) { c.TrustedProxies = "127.0.0.1" }

func from(address string, call apitest.Request) apitest.Request {
	call.Header = map[string]string{"X-Forwarded-For": address}
	return call
}

// TestScanner is kept out, with all its requests, until staff let it in again; others and health checks are not.
func TestScanner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, admin := w.shop(t, party.NewMerchant{}), w.staff(t, party.RoleAdmin)
		const scanner = "203.0.113.66"
		for i := range 40 {
			w.send(t, get(fmt.Sprintf("/phpmyadmin/%d", i), ""))                  // loopback: nobody to blame
			w.send(t, from(scanner, get(fmt.Sprintf("/wp-admin/%d.php", i), ""))) // and one who is
		}
		eventually(t, "the block", func() bool { return w.Blocks.Any() })
		for _, call := range []apitest.Request{get("/docs", ""), get("/v1/payments", s.token), get("/nothing", "")} {
			_, answer := w.send(t, from(scanner, call))
			if answer.Status != 403 || codeOf(t, answer) != "edge.blocked" || answer.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %s", call.Path, answer.Status, answer.Body)
			}
		}
		w.refused(t, 403, "edge.blocked", from(scanner, s.order(w, 100, nil)))
		for _, path := range []string{"/healthz", "/readyz"} {
			w.ok(t, 200, from(scanner, get(path, "")), nil)
		}
		w.ok(t, 200, from("203.0.113.67", get("/v1/payments", s.token)), nil)
		w.ok(t, 200, get("/v1/payments", s.token), nil)

		var blocks api.Page[edge.Block]
		w.ok(t, 200, get("/ops/v1/blocks", admin), &blocks)
		if len(blocks.Data) != 1 || blocks.Data[0].Subject != "address:"+scanner || blocks.Data[0].Rule != "scanning" {
			t.Fatalf("blocks: %+v", blocks.Data)
		}
		lift := apitest.Request{
			Method: "POST", Path: "/ops/v1/blocks/" + string(blocks.Data[0].ID) + "/lift", Token: admin,
			Body: map[string]any{"reason": "our own penetration test"},
		}
		for _, role := range []party.Role{party.RoleFinance, party.RoleSupport, party.RoleAuditor} {
			other := lift
			other.Token = w.staff(t, role)
			w.refused(t, 403, "auth.permission_missing", other)
		}
		w.ok(t, 204, lift, nil)
		w.ok(t, 200, from(scanner, get("/v1/payments", s.token)), nil)
		for _, kind := range []string{"security.scanning", "security.blocked", "security.block_lifted"} {
			n := 0
			for _, items := range w.texts(t, "SELECT items FROM events") {
				n += strings.Count(items, `"kind":"`+kind+`"`)
			}
			if n != 1 {
				t.Errorf("%d events %s", n, kind)
			}
		}
		// The trail knows it too: the detector's from the address, the lifting by whom.
		for kind, address := range map[string]string{
			"security.scanning": scanner, "security.blocked": scanner, "security.block_lifted": "127.0.0.1",
		} {
			var found api.Page[audit.Record]
			w.ok(t, 200, get("/ops/v1/audit?kind="+kind+"&subject=address:"+scanner, admin), &found)
			if len(found.Data) != 1 || found.Data[0].Address != address ||
				(found.Data[0].Actor != "") != (kind == "security.block_lifted") {
				t.Errorf("%s is recorded as %+v", kind, found.Data)
			}
		}
		w.trailHolds(t)
		// No merchant sees them.
		if n := w.rows(t, get("/v1/events?kind=security.blocked", s.token)); n != 0 {
			t.Errorf("a merchant sees %d security events", n)
		}
	}, proxied)
}

// TestBlockedByHand keeps a key and a colleague out, refuses to shut oneself or everybody out, and ends by itself.
func TestBlockedByHand(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, rival, admin := w.shop(t, party.NewMerchant{}), w.shop(t, party.NewMerchant{}), w.staff(t, party.RoleAdmin)
		block := func(subject string, until time.Time) apitest.Request {
			return apitest.Request{Method: "POST", Path: "/ops/v1/blocks", Token: admin, Body: map[string]any{
				"subject": subject, "reason": "stolen key", "until": until,
			}}
		}
		soon := w.Clock.Now().Add(hour)
		w.refused(t, 400, "edge.guarded", block("address:127.0.0.1", soon))
		w.refused(t, 400, "edge.bad_subject", block("address:0.0.0.0/0", soon))
		w.refused(t, 400, "edge.bad_end", block("address:203.0.113.1", w.Clock.Now().Add(-hour)))
		w.ok(t, 201, block("caller:"+string(s.key), soon), nil)
		w.refused(t, 403, "edge.blocked", s.order(w, 100, nil))
		w.ok(t, 201, rival.order(w, 100, nil), nil)

		risk, support := w.colleague(t, party.RoleRisk, ""), w.colleague(t, party.RoleSupport, "")
		byRisk := func(who colleague) apitest.Request {
			call := block("caller:"+string(who.id), soon)
			call.Token = risk.token
			return call
		}
		w.refused(t, 400, "edge.self_block", byRisk(risk))
		w.ok(t, 200, get("/ops/v1/merchants", support.token), nil)
		w.ok(t, 201, byRisk(support), nil)
		w.refused(t, 403, "edge.blocked", get("/ops/v1/merchants", support.token))
		w.ok(t, 200, get("/ops/v1/merchants", risk.token), nil)
		w.Clock.Advance(hour)
		w.ok(t, 200, get("/ops/v1/merchants", support.token), nil)
		w.ok(t, 201, s.order(w, 100, nil), nil)
	}, proxied)
}

// TestStuffing is seen over many logins from one address; enumeration over many objects of one caller.
func TestStuffing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		const stuffer = "198.51.100.9"
		for i := range 15 {
			w.send(t, from(stuffer, apitest.Request{Method: "POST", Path: "/ops/v1/login", Body: map[string]any{
				"email": fmt.Sprintf("guess%d@example.com", i), "password": password,
			}}))
		}
		eventually(t, "the block", func() bool { return w.Blocks.Any() })
		_, answer := w.send(t, from(stuffer, get("/docs", "")))
		if codeOf(t, answer) != "edge.blocked" {
			t.Errorf("%d %s", answer.Status, answer.Body)
		}
		for _, text := range w.texts(t, "SELECT items FROM events") {
			if strings.Contains(text, "guess") {
				t.Error("an event holds a login that was typed")
			}
		}
		// A customer who asks for many payments that are not there is kept out; a merchant who does so, with a key that
		// payments hang on, is told of only.
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 0)
		for range 100 {
			unknown := strings.Replace("/payments/pay_01kanq4j3qf8yt0v5d7r2m9xce", "01ka", fmt.Sprintf("%04d", w.next()), 1)
			for path, token := range map[string]string{"/v1" + unknown: s.token, "/wallet/v1" + unknown: p.token} {
				if _, answer := w.send(t, get(path, token)); codeOf(t, answer) != "payment.not_found" {
					t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
				}
			}
		}
		eventually(t, "the customer's block", func() bool {
			_, answer := w.send(t, get("/wallet/v1/balance", p.token))
			return answer.Status == 403 && codeOf(t, answer) == "edge.blocked"
		})
		eventually(t, "the word about the key", func() bool {
			return w.count(t, "SELECT count(*) FROM audit_records WHERE kind = 'security.enumeration_by_key'") > 0
		})
		if n := w.count(t, "SELECT count(*) FROM edge_blocks WHERE subject = $1", "caller:"+string(s.key)); n != 0 {
			t.Error("the merchant's key is blocked")
		}
		w.ok(t, 200, get("/v1/balance", s.token), nil)
		w.created(t, s, 100)
		for kind, subject := range map[string]string{
			"security.credential_stuffing": "address:" + stuffer, "security.enumeration": "caller:" + string(p.id),
			"security.enumeration_by_key": "caller:" + string(s.key),
		} {
			if n := w.count(t, "SELECT count(*) FROM audit_records WHERE kind = $1 AND subject = $2", kind, subject); n != 1 {
				t.Errorf("%s is recorded %d times", kind, n)
			}
		}
	}, proxied)
}

// TestSecurityHeaders are on every answer, good or bad; transport security behind TLS only.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	w := start(t, "sqlite", proxied)
	s := w.shop(t, party.NewMerchant{})
	for _, call := range []apitest.Request{
		get("/healthz", ""), get("/docs", ""), get("/openapi.json", ""), get("/nothing", ""), get("/v1/payments", ""),
		get("/v1/payments", s.token),
		{Method: "PATCH", Path: "/docs"},
		{Method: "POST", Path: "/channels/bank/notices", Body: "{}"},
	} {
		_, answer := w.send(t, call)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Embedder-Policy": "require-corp", "Strict-Transport-Security": "",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q", call.Method, call.Path, name, got)
			}
		}
		policy := answer.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) || strings.Contains(policy, "unsafe") {
				t.Errorf("%s %s: policy %q", call.Method, call.Path, policy)
			}
		}
		if !strings.Contains(answer.Header.Get("Permissions-Policy"), "camera=()") {
			t.Errorf("%s: no permissions policy", call.Path)
		}
	}
	secure := get("/healthz", "")
	secure.Header = map[string]string{"X-Forwarded-Proto": "https"}
	if _, answer := w.send(t, secure); answer.Header.Get("Strict-Transport-Security") == "" {
		t.Error("behind TLS at a trusted proxy there is no Strict-Transport-Security")
	}
	stranger := start(t, "sqlite")
	if _, answer := stranger.send(t, secure); answer.Header.Get("Strict-Transport-Security") != "" {
		t.Error("anybody's X-Forwarded-Proto is believed")
	}
}

// TestRates counts each class, says what is left, and refuses with Retry-After.
func TestRates(t *testing.T) {
	t.Parallel()
	w := start(t, "sqlite", proxied)
	apply := apitest.Request{Method: "POST", Path: "/merchant/v1/applications", Body: `{"nonsense":1}`}
	rate, _ := edge.RateOf(edge.ClassApply)
	for i := range rate.Burst {
		_, answer := w.send(t, from("203.0.113.5", apply))
		if left := answer.Header.Get("RateLimit"); answer.Status != 400 ||
			!strings.HasPrefix(left, fmt.Sprintf(`"apply";r=%d;t=`, rate.Burst-1-i)) {
			t.Errorf("call %d: %d, %q", i, answer.Status, left)
		}
	}
	before := w.snapshot(t)
	good := apply
	good.Body = w.details()
	_, answer := w.send(t, from("203.0.113.5", good))
	answer.Problem(t, 429, "request.too_many")
	before.same(t, w.snapshot(t), "a refused application")
	if answer.Header.Get("Retry-After") == "" || answer.Header.Get("RateLimit-Policy") != `"apply";q=10;w=600` {
		t.Errorf("headers %v", answer.Header)
	}
	w.ok(t, 201, from("203.0.113.6", good), nil)
}

// TestSlowLoris hangs up on who sends a head byte by byte, and on one that is too long.
func TestSlowLoris(t *testing.T) {
	t.Parallel()
	w := start(t, "sqlite")
	dial := func(text string) net.Conn {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, text)
		must(t, err)
		return conn
	}
	slow := dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ")
	long := dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 40<<10) + "\r\n\r\n")
	must(t, long.SetReadDeadline(time.Now().Add(time.Minute)))
	if text, _ := io.ReadAll(long); !strings.Contains(string(text), "431") {
		t.Errorf("a long head: %q", text)
	}
	must(t, slow.SetReadDeadline(time.Now().Add(time.Minute))) // longer than the limit, so that it only ends a hang
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("a slow head is not cut off: %v", err)
	}
}

// TestCrossOrigin refuses what a browser sends from another site, at every door that browsers use.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	w := start(t, "sqlite")
	for _, route := range w.Server.Routes() {
		if route.Method == http.MethodGet || route.Actor == api.ActorMerchant {
			continue
		}
		call := apitest.Request{
			Method: route.Method, Path: concrete(route.Path), Key: w.key(),
			Header: map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
		}
		if route.Name == "" { // a page of our own: it is not there for other sites
			before := w.snapshot(t)
			if _, answer := w.send(t, call); answer.Status != 404 {
				t.Errorf("%s from another site: %d", route.Path, answer.Status)
			}
			before.same(t, w.snapshot(t), route.Path)
			continue
		}
		w.refused(t, 403, "request.cross_origin", call)
	}
}

// TestFirewall is off where payments go, counts in detect mode and refuses in block mode.
func TestFirewall(t *testing.T) {
	t.Parallel()
	for mode, refuse := range map[string]bool{"detect": false, "block": true} {
		w := start(t, "sqlite", func(c *config.Config) { c.WAF = mode })
		s := w.shop(t, party.NewMerchant{})
		owner := w.user(t, s.id, "", party.MerchantOwner)
		attack := apitest.Request{
			Method: "POST", Path: "/merchant/v1/stores", Token: owner.token,
			Body: map[string]any{"name": "<script>alert(document.cookie)</script>"},
		}
		if refuse {
			w.refused(t, 403, "edge.attack", attack)
		} else {
			w.ok(t, 201, attack, nil)
		}
		w.ok(t, 201, apitest.Request{
			Method: "POST", Path: "/merchant/v1/stores", Token: owner.token,
			Body: map[string]any{"name": "茉莉茶馆(朝阳店)", "address": "1 O'Neill Street"},
		}, nil)
		w.ok(t, 201, s.order(w, 100, map[string]any{"description": "<script>alert(document.cookie)</script>"}), nil)
		_, metrics := w.send(t, get("/metrics", ""))
		if !strings.Contains(string(metrics.Body), `feiqian_waf_attacks_total{action="`+mode+`"} 1`) {
			t.Errorf("%s: the attack is not counted", mode)
		}
	}
}
