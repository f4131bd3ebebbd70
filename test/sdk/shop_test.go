package sdk_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var (
	stateOf  = regexp.MustCompile(`id="state">(\w+)<`)
	payment  = regexp.MustCompile(`id="payment">(pay_\w+)<`)
	refunded = regexp.MustCompile(`class="refund">(\w+)<`)
)

// shops buys by confirmation and by payment code, refunds, and tells the shop by webhooks, genuine and false.
func shops(t *testing.T, who *payer) {
	t.Helper()
	at := open(t, who)
	if goods := fetch(t, at); strings.Count(goods, `name="good"`) != 3 {
		t.Fatalf("the shop shows %s", goods)
	}
	order := buy(t, at, url.Values{"good": {"tea"}})
	page := fetch(t, order)
	if found := stateOf.FindStringSubmatch(page); found == nil || found[1] != "created" {
		t.Fatalf("the order is %v: %s", found, page)
	}
	name := payment.FindStringSubmatch(page)[1]
	who.confirm(name)
	if found := stateOf.FindStringSubmatch(fetch(t, order)); found[1] != "succeeded" {
		t.Errorf("paid, the order is %s", found[1])
	}
	event := fmt.Sprintf(
		`{"id":"evt_1","kind":"payment.succeeded","subject":%q,"created_at":"2026-11-23T00:00:00Z","data":{}}`,
		name,
	)
	if got := tell(
		t,
		at,
		event,
		"another body",
	); got != http.StatusBadRequest ||
		strings.Contains(fetch(t, order), "evt_1") {
		t.Errorf("a forged webhook is answered %d", got)
	}
	for range 2 { // a webhook may come twice
		if got := tell(t, at, event, event); got != http.StatusNoContent || strings.Count(fetch(t, order), "evt_1") != 1 {
			t.Errorf("a webhook is answered %d: %s", got, fetch(t, order))
		}
	}
	post(t, order+"/refund", nil)
	if found := refunded.FindStringSubmatch(fetch(t, order)); found == nil || found[1] != "succeeded" {
		t.Errorf("the refund is %v", found)
	}
	at2 := buy(t, at, url.Values{"good": {"fan"}, "code": {who.code()}})
	if found := stateOf.FindStringSubmatch(fetch(t, at2)); found[1] != "succeeded" {
		t.Errorf("by code, the order is %s", found[1])
	}
	if status, _ := post(
		t,
		at+"/orders",
		url.Values{"good": {"fan"}, "code": {"6901234567892"}},
	); status != http.StatusBadGateway {
		t.Errorf("a wrong code is answered %d", status)
	}
}

// open starts the shop as its README says.
func open(t *testing.T, who *payer) string {
	t.Helper()
	return openAt(t, who, free(t), hookSecret)
}

// openAt starts the shop at an address, with settings of its own.
func openAt(t *testing.T, who *payer, address, secret string, settings ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "shop")
	build(t, program, "github.com/feiqian/feiqian/examples/shop")
	command := example(t, who, program)
	command.Env = append(command.Env, "SHOP_LISTEN="+address, "FEIQIAN_WEBHOOK_SECRET="+secret)
	command.Env = append(command.Env, settings...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		if connection, err := net.Dial("tcp", address); err == nil {
			_ = connection.Close()
			return "http://" + address
		}
	}
	t.Fatal("the shop does not open")
	return ""
}

// post sends a form and returns status and place of the answer.
func post(t *testing.T, address string, form url.Values) (status int, location string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode, response.Header.Get("Location")
}

// buy returns the address of a fresh order.
func buy(t *testing.T, at string, form url.Values) string {
	t.Helper()
	status, location := post(t, at+"/orders", form)
	if status != http.StatusSeeOther {
		t.Fatalf("buying is answered %d", status)
	}
	return at + location
}

// tell sends a webhook with the signature of a body, genuine where both are the same.
func tell(t *testing.T, at, body, signed string) int {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hookSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("evt_1." + now + "." + signed))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/webhooks", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Webhook-Id", "evt_1")
	request.Header.Set("Webhook-Timestamp", now)
	request.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
