package sendhttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/webhook"
)

func message(url string) webhook.Message {
	return webhook.Message{
		URL: url, ID: "evt_1", Timestamp: time.Unix(1_700_000_000, 0), Signature: "v1,abc", APIVersion: "2026-11-23",
		Body: []byte(`{"id":"evt_1"}`),
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ live, sandbox bool }{
		"93.184.215.14": {true, true}, "8.8.8.8": {true, true}, "2606:4700::6810:84e5": {true, true},
		"127.0.0.1": {false, true}, "127.9.9.9": {false, true}, "::1": {false, true}, "::ffff:127.0.0.1": {false, true},
		"10.0.0.1": {}, "172.16.0.1": {}, "172.31.255.255": {}, "192.168.1.1": {}, "::ffff:192.168.1.1": {},
		"169.254.169.254": {}, "::ffff:169.254.169.254": {}, "fe80::1": {}, "fe80::1%eth0": {}, "fd00:ec2::254": {}, "fc00::1": {},
		"100.100.100.200": {}, "100.64.0.1": {}, "168.63.129.16": {}, "192.0.0.192": {}, "198.18.0.1": {},
		"0.0.0.0": {}, "0.1.2.3": {}, "::": {}, "224.0.0.1": {}, "ff02::1": {}, "255.255.255.255": {}, "240.0.0.1": {},
		"64:ff9b::a00:1": {}, "64:ff9b:1::1": {}, "2002:a00:1::1": {}, "2001::1": {}, "::10.0.0.1": {}, "2001:db8::1": {}, "fec0::1": {},
		"192.0.2.1": {}, "198.51.100.1": {}, "203.0.113.1": {},
		"172.15.255.255": {true, true}, "172.32.0.1": {true, true}, "100.128.0.1": {true, true}, "11.0.0.1": {true, true},
	} {
		address := netip.MustParseAddr(text)
		if got := allowed(address, false); got != want.live {
			t.Errorf("live, %s: %v", text, got)
		}
		if got := allowed(address, true); got != want.sandbox {
			t.Errorf("sandbox, %s: %v", text, got)
		}
	}
	if allowed(netip.Addr{}, true) {
		t.Error("no address is an address")
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]struct{ live, sandbox bool }{
		"https://shop.example/hook": {true, true}, "https://8.8.8.8/hook": {true, true}, "https://shop.example:8443": {true, true},
		"http://shop.example/hook": {false, true}, "http://127.0.0.1:3000": {false, true}, "https://[::1]:3000": {false, true},
		"https://10.0.0.1": {}, "https://[fd00::1]/": {}, "https://169.254.169.254/": {}, "https://[::ffff:10.0.0.1]": {},
	} {
		for _, sandbox := range []bool{false, true} {
			err := New(sandbox).CheckURL(url)
			if (err == nil) != (sandbox && want.sandbox || !sandbox && want.live) {
				t.Errorf("%s, sandbox %v: %v", url, sandbox, err)
			}
			if err != nil && fault.CodeOf(err) != "webhook.bad_url" {
				t.Error(err)
			}
		}
	}
}

// TestSend_live never connects to an address behind the walls, by whatever name.
func TestSend_live(t *testing.T) {
	t.Parallel()
	called := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	live := New(false)
	// localhost is a name that resolves to loopback; 0x7f.1 and 2130706433 are spellings that resolvers may take for it.
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.255.255.1", "169.254.169.254", "0.0.0.0"} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		answer := live.Send(ctx, message("https://"+host+":"+port+"/"))
		cancel()
		if answer.Problem != webhook.AddressRefused || answer.Status != 0 {
			t.Errorf("%s: %+v", host, answer)
		}
	}
	for _, host := range []string{"0x7f.1", "2130706433", "127.1"} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		answer := live.Send(ctx, message("https://"+host+":"+port+"/"))
		cancel()
		if answer.Problem == "" || answer.Status != 0 {
			t.Errorf("%s: %+v", host, answer)
		}
	}
	if called {
		t.Error("the server behind the walls was called")
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	sandbox := New(true)
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.WithoutCancel(r.Context()))
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(strings.Repeat("x", 100_000)))
	}))
	t.Cleanup(server.Close)
	answer := sandbox.Send(t.Context(), message(server.URL))
	if answer.Status != 503 || len(answer.Body) != webhook.AnswerKept || answer.RetryAfter != 7*time.Second ||
		answer.Problem != "" {
		t.Errorf("%d bytes, %d %v %s", len(answer.Body), answer.Status, answer.RetryAfter, answer.Problem)
	}
	if got.Method != http.MethodPost || got.Header.Get("Webhook-Id") != "evt_1" || got.Header.Get("Webhook-Timestamp") != "1700000000" ||
		got.Header.Get("Webhook-Signature") != "v1,abc" ||
		got.ContentLength != 14 {
		t.Errorf("%+v", got)
	}
}

// TestSend_problem names what goes wrong, from each kind of bad server.
func TestSend_problem(t *testing.T) {
	t.Parallel()
	raw := func(talk func(net.Conn)) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					talk(conn)
				}()
			}
		}()
		return listener.Addr().String()
	}
	read := func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = nil
	t.Cleanup(untrusted.Close)
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	t.Cleanup(old.Close)
	closed := raw(func(net.Conn) {})
	for name, test := range map[string]struct {
		url  string
		want []webhook.Problem
	}{
		"Hangs": {"http://" + raw(func(c net.Conn) { read(c); time.Sleep(3 * time.Second) }), []webhook.Problem{webhook.Timeout}},
		"DripsHeaders": {"http://" + raw(func(c net.Conn) {
			read(c)
			for range 30 {
				if _, err := c.Write([]byte("H")); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}), []webhook.Problem{webhook.Timeout, webhook.BadAnswer}},
		"HangsUp": {"http://" + closed, []webhook.Problem{webhook.Unreachable}},
		"NotHTTP": {"http://" + raw(func(c net.Conn) { read(c); _, _ = c.Write([]byte("SSH-2.0-x\r\n\r\n")) }), []webhook.Problem{webhook.BadAnswer}},
		"LongHeaders": {"http://" + raw(func(c net.Conn) {
			read(c)
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 1<<20) + "\r\n\r\n"))
		}), []webhook.Problem{webhook.BadAnswer}},
		"NoTLS":     {"https://" + raw(func(c net.Conn) { read(c); _, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")) }), []webhook.Problem{webhook.BadAnswer}},
		"Untrusted": {untrusted.URL, []webhook.Problem{webhook.BadCertificate}},
		"OldTLS":    {old.URL, []webhook.Problem{webhook.BadAnswer, webhook.Unreachable}},
		"NoName":    {"https://nothing.invalid/", []webhook.Problem{webhook.NoName, webhook.Timeout}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begun := time.Now()
			answer := New(true).Send(ctx, message(test.url))
			ok := false
			for _, want := range test.want {
				ok = ok || answer.Problem == want
			}
			if !ok || answer.Status != 0 || len(answer.Body) > 0 {
				t.Errorf("%+v, want %v", answer, test.want)
			}
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestSend_body ends an answer whose body does not end; its status counts.
func TestSend_body(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	begun := time.Now()
	answer := New(true).Send(t.Context(), message(server.URL))
	if took := time.Since(begun); answer.Status != 200 || string(answer.Body) != "first" || took > 2*bodyWait {
		t.Errorf("%+v after %v", answer, took)
	}
}
