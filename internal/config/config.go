// Package config reads the settings of an instance: defaults, then a TOML file, then environment
// variables FEIQIAN_…, then flags; the later ones win. It is the only package that reads the
// environment. Every setting has a value that is safe as it stands.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // Zone must load on machines that have no zone files; adds 450 kB

	"github.com/BurntSushi/toml"
	"github.com/caarlos0/env/v11"
	"github.com/spf13/pflag"

	"github.com/feiqian/feiqian/internal/money"
)

// DefaultFile is read from the working folder when it is there and no other file is named.
const DefaultFile = "feiqian.toml"

// Mode says whether money is real. An instance is the one or the other for life.
type Mode string

const (
	// Sandbox simulates everybody outside and may move its clock.
	Sandbox Mode = "sandbox"
	// Live moves real money.
	Live Mode = "live"
)

// The key stores.
const (
	KeyStoreLocal  = "local"
	KeyStorePKCS11 = "pkcs11"
)

// Config is the settings of one instance. A field tagged secret is masked where settings are shown:
// "url" hides the password in it, "value" hides all of it.
type Config struct {
	// Listen is the HOST:PORT of the one port.
	Listen string `toml:"listen" env:"LISTEN"`
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed, separated by commas; empty means none.
	TrustedProxies string `toml:"trusted_proxies" env:"TRUSTED_PROXIES"`
	// Database is sqlite:PATH or postgres://…; empty means feiqian.db in DataDir.
	Database string `toml:"database" env:"DATABASE_URL" secret:"url"`
	// DataDir is the folder for files of ours.
	DataDir string `toml:"data_dir" env:"DATA_DIR"`
	// VaultKeyFile holds the root that all other keys are derived from; empty means vault.key in DataDir.
	VaultKeyFile string `toml:"vault_key_file" env:"VAULT_KEY_FILE"`
	// KeyStore wraps the data keys: local (under the vault's key file) or pkcs11.
	KeyStore string `toml:"key_store" env:"KEY_STORE"`
	// PKCS11Module is the library of the token's maker; PKCS11Token the token's label; PKCS11PINFile holds its PIN.
	PKCS11Module  string `toml:"pkcs11_module" env:"PKCS11_MODULE"`
	PKCS11Token   string `toml:"pkcs11_token" env:"PKCS11_TOKEN"`
	PKCS11PINFile string `toml:"pkcs11_pin_file" env:"PKCS11_PIN_FILE"`
	// Mode is sandbox or live.
	Mode Mode `toml:"mode" env:"MODE"`
	// WebOrigins are the pages and apps that may use passkeys, separated by commas; the host of the first is what passkeys
	// belong to. Empty means http://localhost with our port in the sandbox, and no passkeys when live.
	WebOrigins string `toml:"web_origins" env:"WEB_ORIGINS"`
	// SandboxListen is the HOST:PORT of the simulated bank, in the sandbox only.
	SandboxListen string `toml:"sandbox_listen" env:"SANDBOX_LISTEN"`
	// AuthorityListen is the HOST:PORT of the simulated channels that know people, in the sandbox only.
	AuthorityListen string `toml:"authority_listen" env:"AUTHORITY_LISTEN"`
	// SandboxIssuerListen is the HOST:PORT of the simulated card issuer, in the sandbox only.
	SandboxIssuerListen string `toml:"sandbox_issuer_listen" env:"SANDBOX_ISSUER_LISTEN"`
	// SandboxSMSListen is the HOST:PORT of the simulated SMS centre, in the sandbox only.
	SandboxSMSListen string `toml:"sandbox_sms_listen" env:"SANDBOX_SMS_LISTEN"`
	// Zone is the IANA time zone of business dates.
	Zone string `toml:"zone" env:"ZONE"`
	// Currency is what amounts are in where nobody says otherwise.
	Currency money.Currency `toml:"currency" env:"CURRENCY"`
	// Jurisdiction names whose limits hold and how long records are kept: cn, eu or plain.
	Jurisdiction string `toml:"jurisdiction" env:"JURISDICTION"`
	// LogLevel is the least level that is logged.
	LogLevel slog.Level `toml:"log_level" env:"LOG_LEVEL"`
	// LogFormat is text or json.
	LogFormat string `toml:"log_format" env:"LOG_FORMAT"`
	// OTLPEndpoint is the URL that takes traces; empty means no tracing.
	OTLPEndpoint string `toml:"otlp_endpoint" env:"OTLP_ENDPOINT" secret:"url"`
	// FourEyes lists the kinds of acts that two people decide, separated by commas; see docs/audit.md.
	FourEyes string `toml:"four_eyes" env:"FOUR_EYES"`
	// RefundAloneMax is how much of a payment, in minor units, one person of the staff may refund alone.
	RefundAloneMax int64 `toml:"refund_alone_max" env:"REFUND_ALONE_MAX"`
	// GroupMax is the most decisions in one commit.
	GroupMax int `toml:"group_max" env:"GROUP_MAX"`
	// QueueMax is the most decisions that wait for a commit; more are told to come back.
	QueueMax int `toml:"queue_max" env:"QUEUE_MAX"`
	// BodyMaxBytes is the largest request body that is read.
	BodyMaxBytes int64 `toml:"body_max_bytes" env:"BODY_MAX_BYTES"`
	// RequestTimeout ends a request that takes longer.
	RequestTimeout time.Duration `toml:"request_timeout" env:"REQUEST_TIMEOUT"`
	// ConnectionsMax is the most open connections of the port, ConnectionsPerAddress those from one address.
	ConnectionsMax        int `toml:"connections_max" env:"CONNECTIONS_MAX"`
	ConnectionsPerAddress int `toml:"connections_per_address" env:"CONNECTIONS_PER_ADDRESS"`
	// RateFactor multiplies the table of rates (edge.Classes): 1 for the table as it is.
	RateFactor int `toml:"rate_factor" env:"RATE_FACTOR"`
	// WAF is off, detect or block: the web application firewall in front of the doors that browsers use.
	WAF string `toml:"waf" env:"WAF"`
	// ShutdownTimeout ends a shutdown whose requests take longer.
	ShutdownTimeout time.Duration `toml:"shutdown_timeout" env:"SHUTDOWN_TIMEOUT"`
}

// Default returns the settings that hold when nobody says otherwise, but for Database and VaultKeyFile,
// which Load derives from DataDir.
func Default() Config {
	return Config{
		Listen:              "127.0.0.1:8080",
		DataDir:             "var",
		KeyStore:            KeyStoreLocal,
		Mode:                Sandbox,
		SandboxListen:       "127.0.0.1:8090",
		AuthorityListen:     "127.0.0.1:8091",
		SandboxSMSListen:    "127.0.0.1:8092",
		SandboxIssuerListen: "127.0.0.1:8093",
		Zone:                "Asia/Shanghai",
		Currency:            "CNY",
		Jurisdiction:        "cn",
		LogLevel:            slog.LevelInfo,
		LogFormat:           "text",
		FourEyes: "dispute.decide,identity.override,key.retire,key.rotate,ledger.entry,limit.change," +
			"merchant.terms,merchant.user_totp,refund.create,staff.create,staff.person,staff.role,staff.totp",
		RefundAloneMax:  100_000,
		GroupMax:        500,
		QueueMax:        8192,
		BodyMaxBytes:    64 << 10,
		RequestTimeout:  30 * time.Second,
		ShutdownTimeout: 15 * time.Second,
		ConnectionsMax:  10_000, ConnectionsPerAddress: 500,
		RateFactor: 1,
		WAF:        "off",
	}
}

// AddFlags adds one flag for each setting. A flag counts only when the user gave it.
func AddFlags(flags *pflag.FlagSet) {
	config := Default()
	bind(&config, flags)
}

// bind adds a flag for each setting that writes into c; its default is what c holds.
func bind(c *Config, flags *pflag.FlagSet) {
	flags.StringVar(&c.Listen, "listen", c.Listen, "`host:port` to serve on")
	flags.StringVar(&c.TrustedProxies, "trusted-proxies", c.TrustedProxies,
		"`networks` of proxies whose X-Forwarded-For is believed, like 10.0.0.0/8,fd00::/8 (default none)")
	flags.StringVar(&c.Database, "database", c.Database,
		"sqlite:`path` or postgres://user:password@host/name (default sqlite:DATA-DIR/feiqian.db)")
	flags.StringVar(&c.DataDir, "data-dir", c.DataDir, "`folder` for files of ours")
	flags.StringVar(&c.VaultKeyFile, "vault-key-file", c.VaultKeyFile,
		"`file` with the root of all keys (default DATA-DIR/vault.key)")
	flags.StringVar(&c.KeyStore, "key-store", c.KeyStore, "what wraps data keys: `local` or pkcs11")
	flags.StringVar(&c.PKCS11Module, "pkcs11-module", c.PKCS11Module, "`library` of the token's maker")
	flags.StringVar(&c.PKCS11Token, "pkcs11-token", c.PKCS11Token, "`label` of the token")
	flags.StringVar(&c.PKCS11PINFile, "pkcs11-pin-file", c.PKCS11PINFile, "`file` with the token's PIN")
	flags.StringVar((*string)(&c.Mode), "mode", string(c.Mode), "`sandbox` or live")
	flags.StringVar(&c.SandboxListen, "sandbox-listen", c.SandboxListen, "`host:port` of the simulated bank")
	flags.StringVar(&c.AuthorityListen, "authority-listen", c.AuthorityListen,
		"`host:port` of the simulated identity authority")
	flags.StringVar(&c.SandboxIssuerListen, "sandbox-issuer-listen", c.SandboxIssuerListen,
		"`host:port` of the simulated card issuer")
	flags.StringVar(&c.SandboxSMSListen, "sandbox-sms-listen", c.SandboxSMSListen,
		"`host:port` of the simulated SMS centre")
	flags.StringVar(&c.WebOrigins, "web-origins", c.WebOrigins,
		"`origins` that may use passkeys, like https://pay.example (default none; http://localhost in the sandbox)")
	flags.StringVar(&c.Zone, "zone", c.Zone, "time `zone` of business dates")
	flags.StringVar((*string)(&c.Currency), "currency", string(c.Currency), "`currency` where none is said")
	flags.StringVar(&c.Jurisdiction, "jurisdiction", c.Jurisdiction, "whose limits hold: `cn`, eu or plain")
	flags.TextVar(&c.LogLevel, "log-level", c.LogLevel, "`debug`, info, warn or error")
	flags.StringVar(&c.LogFormat, "log-format", c.LogFormat, "`text` or json")
	flags.StringVar(&c.OTLPEndpoint, "otlp-endpoint", c.OTLPEndpoint, "`url` for traces (default no tracing)")
	flags.StringVar(&c.FourEyes, "four-eyes", c.FourEyes, "`kinds` of acts that two people decide")
	flags.Int64Var(&c.RefundAloneMax, "refund-alone-max", c.RefundAloneMax,
		"how much of a payment one person of the staff may refund alone, in minor units")
	flags.IntVar(&c.GroupMax, "group-max", c.GroupMax, "most decisions in one commit")
	flags.IntVar(&c.QueueMax, "queue-max", c.QueueMax, "most decisions that wait for a commit")
	flags.Int64Var(&c.BodyMaxBytes, "body-max-bytes", c.BodyMaxBytes, "largest request body")
	flags.DurationVar(&c.RequestTimeout, "request-timeout", c.RequestTimeout, "longest time for a request")
	flags.IntVar(&c.ConnectionsMax, "connections-max", c.ConnectionsMax, "most open connections")
	flags.IntVar(&c.ConnectionsPerAddress, "connections-per-address", c.ConnectionsPerAddress,
		"most open connections from one address; loopback and trusted proxies are not counted")
	flags.IntVar(&c.RateFactor, "rate-factor", c.RateFactor, "how many times the table of rates one caller may reach")
	flags.StringVar(&c.WAF, "waf", c.WAF, "web application firewall of the browsers' doors: `off`, detect or block")
	flags.DurationVar(&c.ShutdownTimeout, "shutdown-timeout", c.ShutdownTimeout, "longest time to shut down")
}

// Load returns the valid settings from the file at path, the environment and flags. With an empty path it
// reads DefaultFile if there is one. Flags may be nil; flags of other makers are left alone.
// Errors: plain ones for the operator, each ending in what to do.
func Load(path string, flags *pflag.FlagSet) (Config, error) {
	config := Default()
	if err := readFile(&config, path); err != nil {
		return Config{}, err
	}
	if err := env.ParseWithOptions(&config, env.Options{Prefix: "FEIQIAN_"}); err != nil {
		return Config{}, fmt.Errorf("settings in the environment: %w; correct the variable or unset it", err)
	}
	if err := readFlags(&config, flags); err != nil {
		return Config{}, err
	}
	if config.Database == "" {
		config.Database = "sqlite:" + filepath.Join(config.DataDir, "feiqian.db")
	}
	if config.VaultKeyFile == "" {
		config.VaultKeyFile = filepath.Join(config.DataDir, "vault.key")
	}
	if err := config.Validate(); err != nil {
		return Config{}, err
	}
	return config, nil
}

// readFile takes what the TOML file at path says. A key that is no setting is an error, since a
// misspelt limit must not silently be the default.
func readFile(c *Config, path string) error {
	name := path
	if name == "" {
		name = DefaultFile
	}
	text, err := os.ReadFile(name) //nolint:gosec // the operator names the file
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("settings: %w; name a file that is there or leave the name out", err)
	}
	meta, err := toml.Decode(string(text), c)
	if err != nil {
		return fmt.Errorf("settings in %s: %w; correct that line", name, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		keys := make([]string, len(unknown))
		for i, key := range unknown {
			keys[i] = key.String()
		}
		return fmt.Errorf("settings in %s: no setting is named %s; correct the name or remove the line",
			name, strings.Join(keys, ", "))
	}
	return nil
}

// readFlags takes the flags that the user gave.
func readFlags(c *Config, flags *pflag.FlagSet) error {
	if flags == nil {
		return nil
	}
	own := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	bind(c, own)
	var problems []error
	flags.Visit(func(given *pflag.Flag) {
		if own.Lookup(given.Name) != nil {
			problems = append(problems, own.Set(given.Name, given.Value.String()))
		}
	})
	return errors.Join(problems...)
}

// Location returns the operator's time zone.
func (c Config) Location() (*time.Location, error) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil || c.Zone == "" || c.Zone == "Local" {
		return nil, fmt.Errorf("zone: %q is not a time zone; write an IANA name such as Asia/Shanghai or UTC", c.Zone)
	}
	return zone, nil
}

// TwoPeople returns the kinds of FourEyes.
func (c Config) TwoPeople() []string {
	var kinds []string
	for kind := range strings.SplitSeq(c.FourEyes, ",") {
		if kind = strings.TrimSpace(kind); kind != "" {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// Proxies returns the networks of TrustedProxies; a single address is a network of one.
func (c Config) Proxies() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for text := range strings.SplitSeq(c.TrustedProxies, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if address, isAddress := netip.ParseAddr(text); isAddress == nil && address.Zone() == "" {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil || network.Addr().Is4In6() {
			return nil, fmt.Errorf("trusted_proxies: %q is not a network; write it like 10.0.0.0/8 or fd00::/8", text)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}
