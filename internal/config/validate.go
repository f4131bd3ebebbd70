package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/money"
)

// Validate reports every setting that cannot work, each with what to write instead. It does not
// look at the machine: whether a port is free shows when it is opened.
func (c Config) Validate() error {
	_, zoneErr := c.Location()
	_, proxiesErr := c.Proxies()
	_, _, originsErr := c.Origins()
	return errors.Join(
		checkAddress("listen", c.Listen),
		proxiesErr,
		originsErr,
		c.checkSandbox(),
		checkDatabase(c.Database),
		checkGiven("data_dir", c.DataDir),
		checkGiven("vault_key_file", c.VaultKeyFile),
		c.checkKeyStore(),
		checkOneOf("mode", string(c.Mode), string(Sandbox), string(Live)),
		zoneErr,
		checkCurrency(c.Currency),
		checkOneOf("jurisdiction", c.Jurisdiction, "cn", "eu", "plain"),
		checkOneOf("log_format", c.LogFormat, "text", "json"),
		checkEndpoint(c.OTLPEndpoint),
		checkBetween("refund_alone_max", c.RefundAloneMax, 0, money.MaxMinor),
		checkBetween("group_max", int64(c.GroupMax), 1, 10_000),
		checkBetween("queue_max", int64(c.QueueMax), int64(max(c.GroupMax, 1)), 1_000_000),
		checkBetween("body_max_bytes", c.BodyMaxBytes, 1<<10, 64<<20),
		checkTimeout("request_timeout", c.RequestTimeout),
		checkTimeout("shutdown_timeout", c.ShutdownTimeout),
		checkBetween("connections_max", int64(c.ConnectionsMax), 10, 1_000_000),
		checkBetween("connections_per_address", int64(c.ConnectionsPerAddress), 1, 1_000_000),
		checkBetween("rate_factor", int64(c.RateFactor), 1, 1_000),
		checkOneOf("waf", c.WAF, "off", "detect", "block"),
	)
}

// checkSandbox wants addresses for the simulated bank and authority that are not our own; a live instance has none.
func (c Config) checkSandbox() error {
	if c.Mode != Sandbox {
		return nil
	}
	if err := checkAddress("sandbox_listen", c.SandboxListen); err != nil {
		return err
	}
	if c.SandboxListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		return fmt.Errorf("sandbox_listen: %s is taken by listen; give the simulated bank another port", c.Listen)
	}
	if err := checkAddress("authority_listen", c.AuthorityListen); err != nil {
		return err
	}
	taken := c.AuthorityListen == c.Listen || c.AuthorityListen == c.SandboxListen
	if taken && !strings.HasSuffix(c.AuthorityListen, ":0") {
		return fmt.Errorf("authority_listen: %s is taken; give the simulated authority another port", c.AuthorityListen)
	}
	if err := checkAddress("sandbox_sms_listen", c.SandboxSMSListen); err != nil {
		return err
	}
	taken = slices.Contains([]string{c.Listen, c.SandboxListen, c.AuthorityListen}, c.SandboxSMSListen)
	if taken && !strings.HasSuffix(c.SandboxSMSListen, ":0") {
		return fmt.Errorf("sandbox_sms_listen: %s is taken; give the simulated SMS centre another port", c.SandboxSMSListen)
	}
	if err := checkAddress("sandbox_issuer_listen", c.SandboxIssuerListen); err != nil {
		return err
	}
	others := []string{c.Listen, c.SandboxListen, c.AuthorityListen, c.SandboxSMSListen}
	if slices.Contains(others, c.SandboxIssuerListen) && !strings.HasSuffix(c.SandboxIssuerListen, ":0") {
		return fmt.Errorf("sandbox_issuer_listen: %s is taken; give the simulated card issuer another port",
			c.SandboxIssuerListen)
	}
	return nil
}

// checkKeyStore wants all that a token needs.
func (c Config) checkKeyStore() error {
	if c.KeyStore != KeyStorePKCS11 {
		return checkOneOf("key_store", c.KeyStore, KeyStoreLocal, KeyStorePKCS11)
	}
	return errors.Join(
		checkGiven("pkcs11_module", c.PKCS11Module),
		checkGiven("pkcs11_token", c.PKCS11Token),
		checkGiven("pkcs11_pin_file", c.PKCS11PINFile),
	)
}

func checkAddress(name, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not HOST:PORT; write it like 127.0.0.1:8080", name, address)
	}
	return nil
}

// checkDatabase never repeats what it was given, since that may hold a password.
func checkDatabase(database string) error {
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok && path != "" {
		return nil
	}
	u, err := url.Parse(database)
	if err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Opaque == "" {
		return nil
	}
	return errors.New("database: this is neither a SQLite file nor a PostgreSQL URL; " +
		"write sqlite:PATH or postgres://USER:PASSWORD@HOST:5432/NAME")
}

func checkCurrency(currency money.Currency) error {
	if _, err := money.ParseCurrency(string(currency)); err != nil {
		return fmt.Errorf("currency: %q is not known here; write an ISO 4217 code such as CNY", currency)
	}
	return nil
}

func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	if u, err := url.Parse(endpoint); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New(
			"otlp_endpoint: this is not a URL; write it like http://127.0.0.1:4318/v1/traces, or leave it empty",
		)
	}
	return nil
}

func checkGiven(name, value string) error {
	if value == "" {
		return fmt.Errorf("%s: it is empty; write a path", name)
	}
	return nil
}

func checkOneOf(name, value string, known ...string) error {
	if slices.Contains(known, value) {
		return nil
	}
	last := len(known) - 1
	return fmt.Errorf("%s: %q is not known; write %s or %s", name, value, strings.Join(known[:last], ", "), known[last])
}

func checkBetween(name string, value, least, most int64) error {
	if value < least || value > most {
		return fmt.Errorf("%s: %d is out of range; write %d to %d", name, value, least, most)
	}
	return nil
}

func checkTimeout(name string, value time.Duration) error {
	if value < time.Second || value > time.Hour {
		return fmt.Errorf("%s: %s is out of range; write 1s to 1h", name, value)
	}
	return nil
}
