package sdk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/test/crash/crashtest"
)

// platform is a real instance with its sandbox world: the binary, on ports of its own.
type platform struct {
	*crashtest.Instance
	world app.World
}

// payer is a person of the world who is signed in, with money.
type payer struct {
	t          *testing.T
	on         *platform
	token, pin string
	keys       int
}

// call calls the wallet's API and wants an answer of 2xx.
func (p *payer) call(method, path string, body, into any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.on.URL+path, bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	p.keys++
	request.Header.Set("Idempotency-Key", fmt.Sprintf("payer-%d", p.keys))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		p.t.Fatalf("%s %s: %d %s %v", method, path, response.StatusCode, answer, err)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			p.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
}

// signIn signs the first person of the world in and pays 1,000 yuan into the wallet.
func (p *platform) signIn(t *testing.T) *payer {
	t.Helper()
	person := p.world.Customers[0]
	who := &payer{t: t, on: p, pin: person.PIN}
	var asked struct {
		ID string `json:"code_id"`
	}
	who.call("POST", "/wallet/v1/codes", map[string]any{"phone": person.Phone, "purpose": "sign_in"}, &asked)
	var in struct{ Token string }
	who.call("POST", "/wallet/v1/login", map[string]any{
		"phone": person.Phone, "password": person.Password, "code_id": asked.ID, "code": p.text(t, person.Phone),
	}, &in)
	who.token = in.Token
	var accounts struct{ Data []struct{ ID string } }
	who.call("GET", "/wallet/v1/bank_accounts", nil, &accounts)
	var topUp struct{ ID, State string }
	who.call("POST", "/wallet/v1/top_ups", map[string]any{
		"amount": 1000_00, "currency": "CNY", "bank_account_id": accounts.Data[0].ID, "pin": who.pin,
	}, &topUp)
	who.call("GET", "/wallet/v1/top_ups/"+topUp.ID+"?wait=20", nil, &topUp)
	if topUp.State != "succeeded" {
		t.Fatalf("the top-up is %s", topUp.State)
	}
	return who
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// text returns the code in the last text that a phone got.
func (p *platform) text(t *testing.T, phone string) string {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(p.SMSURL + "/control/messages?phone=" + url.QueryEscape(phone))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if found := sixDigits.FindAllString(string(body), -1); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Fatal("no text came")
	return ""
}

// confirm pays a payment.
func (p *payer) confirm(payment string) {
	p.t.Helper()
	p.call("POST", "/wallet/v1/payments/"+payment+"/confirm", map[string]any{"pin": p.pin}, nil)
}

// code shows a payment code, as people read it out.
func (p *payer) code() string {
	p.t.Helper()
	var shown struct {
		Code string `json:"payment_code"`
	}
	p.call("POST", "/wallet/v1/payment_codes", nil, &shown)
	return strings.Join(strings.SplitAfter(shown.Code, "00"), " ")
}
