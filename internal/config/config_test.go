package config_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/feiqian/feiqian/internal/config"
)

// file writes a settings file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// parse returns flags as the command line gives them.
func parse(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.Bool("other", false, "a flag of somebody else")
	config.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

// valid returns settings that Validate takes.
func valid() config.Config {
	c := config.Default()
	c.Database, c.VaultKeyFile = "sqlite:var/feiqian.db", "var/vault.key"
	return c
}

func TestLoadDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	got, err := config.Load("", nil)
	want := config.Config{
		Listen:              "127.0.0.1:8080",
		Database:            "sqlite:var/feiqian.db",
		DataDir:             "var",
		VaultKeyFile:        "var/vault.key",
		KeyStore:            "local",
		Mode:                config.Sandbox,
		SandboxListen:       "127.0.0.1:8090",
		AuthorityListen:     "127.0.0.1:8091",
		SandboxSMSListen:    "127.0.0.1:8092",
		SandboxIssuerListen: "127.0.0.1:8093",
		Zone:                "Asia/Shanghai",
		Currency:            "CNY",
		Jurisdiction:        "cn",
		LogLevel:            slog.LevelInfo,
		LogFormat:           "text",
		RefundAloneMax:      100_000,
		GroupMax:            500,
		FourEyes: "dispute.decide,identity.override,key.retire,key.rotate,ledger.entry,limit.change," +
			"merchant.terms,merchant.user_totp,refund.create,staff.create,staff.person,staff.role,staff.totp",
		QueueMax:              8192,
		BodyMaxBytes:          65536,
		RequestTimeout:        30 * time.Second,
		ConnectionsMax:        10_000,
		ConnectionsPerAddress: 500,
		RateFactor:            1,
		WAF:                   "off",
		ShutdownTimeout:       15 * time.Second,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Load: %v\n%s", err, diff)
	}
}

func TestLoadPrecedence(t *testing.T) {
	t.Setenv("FEIQIAN_GROUP_MAX", "200")
	t.Setenv("FEIQIAN_QUEUE_MAX", "2000")
	t.Setenv("FEIQIAN_LOG_FORMAT", "")
	path := file(t, "zone = 'UTC'\ngroup_max = 100\nqueue_max = 1000\nlog_format = 'json'\n")
	got, err := config.Load(path, parse(t, "--queue-max=3000", "--other"))
	want := valid()
	want.Zone = "UTC"       // the file over the default
	want.LogFormat = "json" // an empty variable says nothing
	want.GroupMax = 200     // the environment over the file
	want.QueueMax = 3000    // a flag over the environment
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Load: %v\n%s", err, diff)
	}
}

// other is a value for every setting that is not its default, in the order of the fields.
func other(t *testing.T) (config.Config, []string) {
	t.Helper()
	values := []string{
		":81",
		"10.0.0.0/8,fd00::1",
		"postgres://u:p@h/d",
		"/d",
		"/k",
		"pkcs11",
		"/m",
		"hsm",
		"/p",
		"live",
		"https://pay.example",
		":82",
		":83",
		":84",
		":85",
		"UTC",
		"KWD",
		"plain",
		"DEBUG",
		"json",
		"http://o:4318",
		"ledger.entry",
		"55",
		"7",
		"8",
		"4096",
		"9s",
		"20",
		"30",
		"40",
		"block",
		"10s",
	}
	if fields := reflect.TypeFor[config.Config]().NumField(); fields != len(values) {
		t.Fatalf("%d settings, %d values in this test", fields, len(values))
	}
	return config.Config{
		Listen:                ":81",
		TrustedProxies:        "10.0.0.0/8,fd00::1",
		Database:              "postgres://u:p@h/d",
		DataDir:               "/d",
		VaultKeyFile:          "/k",
		KeyStore:              "pkcs11",
		PKCS11Module:          "/m",
		PKCS11Token:           "hsm",
		PKCS11PINFile:         "/p",
		Mode:                  config.Live,
		WebOrigins:            "https://pay.example",
		SandboxListen:         ":82",
		AuthorityListen:       ":83",
		SandboxIssuerListen:   ":84",
		SandboxSMSListen:      ":85",
		Zone:                  "UTC",
		Currency:              "KWD",
		Jurisdiction:          "plain",
		LogLevel:              slog.LevelDebug,
		LogFormat:             "json",
		OTLPEndpoint:          "http://o:4318",
		FourEyes:              "ledger.entry",
		RefundAloneMax:        55,
		GroupMax:              7,
		QueueMax:              8,
		BodyMaxBytes:          4096,
		RequestTimeout:        9 * time.Second,
		ConnectionsMax:        20,
		ConnectionsPerAddress: 30,
		RateFactor:            40,
		WAF:                   "block",
		ShutdownTimeout:       10 * time.Second,
	}, values
}

// tag returns a tag of the i-th setting.
func tag(i int, key string) string { return reflect.TypeFor[config.Config]().Field(i).Tag.Get(key) }

// loads fails unless Load returns want.
func loads(t *testing.T, want config.Config, path string, flags *pflag.FlagSet) {
	t.Helper()
	got, err := config.Load(path, flags)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Load: %v\n%s", err, diff)
	}
}

func TestLoadAllFromFile(t *testing.T) {
	t.Parallel()
	want, values := other(t)
	var text strings.Builder
	for i, value := range values {
		if strings.Trim(value, "0123456789") != "" {
			value = "'" + value + "'"
		}
		fmt.Fprintf(&text, "%s = %s\n", tag(i, "toml"), value)
	}
	loads(t, want, file(t, text.String()), nil)
}

//nolint:paralleltest // it sets variables
func TestLoadAllFromEnvironment(t *testing.T) {
	want, values := other(t)
	for i, value := range values {
		t.Setenv("FEIQIAN_"+tag(i, "env"), value)
	}
	loads(t, want, file(t, ""), nil)
}

func TestLoadAllFromFlags(t *testing.T) {
	t.Parallel()
	want, values := other(t)
	args := make([]string, len(values))
	for i, value := range values {
		args[i] = "--" + strings.ReplaceAll(tag(i, "toml"), "_", "-") + "=" + value
	}
	loads(t, want, file(t, ""), parse(t, args...))
}

func TestLoadDerivesFromDataDir(t *testing.T) {
	t.Chdir(t.TempDir())
	got, err := config.Load("", parse(t, "--data-dir=/srv/feiqian"))
	if err != nil || got.Database != "sqlite:/srv/feiqian/feiqian.db" || got.VaultKeyFile != "/srv/feiqian/vault.key" {
		t.Errorf("Load = %v, %v", got, err)
	}
}

func TestLoadDefaultFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(config.DefaultFile, []byte("group_max = 9"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := config.Load("", nil); err != nil || got.GroupMax != 9 {
		t.Errorf("Load = %v, %v", got.GroupMax, err)
	}
}

func TestLoadFile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, path, want string }{
		{"ErrMissing", filepath.Join(t.TempDir(), "gone.toml"), "gone.toml"},
		{"ErrUnknownKey", file(t, "group_max = 9\ngroup_maxx = 9\n[queue]\nmax = 1\n"), "group_maxx"},
		{"ErrUnknownTable", file(t, "[queue]\nmax = 1\n"), "queue.max"},
		{"ErrSyntax", file(t, "zone = 'UTC'\nlisten = \n"), "line 2"},
		{"ErrType", file(t, "group_max = 'many'\n"), "group_max"},
		{"ErrDuration", file(t, "request_timeout = 'soon'\n"), "request_timeout"},
		{"ErrInvalid", file(t, "mode = 'test'\n"), "write sandbox or live"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Load(test.path, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || got != (config.Config{}) {
				t.Errorf("Load = %v, want an error that says %q", err, test.want)
			}
		})
	}
}

func TestLoadErrEnvironment(t *testing.T) {
	t.Setenv("FEIQIAN_GROUP_MAX", "many")
	if _, err := config.Load(file(t, ""), nil); err == nil || !strings.Contains(err.Error(), "GroupMax") {
		t.Errorf("Load = %v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := valid().Validate(); err != nil {
		t.Fatalf("Validate = %v", err)
	}
	for name, test := range map[string]struct {
		spoil func(*config.Config)
		want  string
	}{
		"Listen":        {func(c *config.Config) { c.Listen = "8080" }, "listen:"},
		"ListenPort":    {func(c *config.Config) { c.Listen = "127.0.0.1:70000" }, "listen:"},
		"Proxies":       {func(c *config.Config) { c.TrustedProxies = "10.0.0.0/8, proxy.example" }, "trusted_proxies:"},
		"ProxiesBits":   {func(c *config.Config) { c.TrustedProxies = "10.0.0.0/33" }, "trusted_proxies:"},
		"ProxiesZone":   {func(c *config.Config) { c.TrustedProxies = "fe80::1%eth0" }, "trusted_proxies:"},
		"ProxiesMapped": {func(c *config.Config) { c.TrustedProxies = "::ffff:10.0.0.0/104" }, "trusted_proxies:"},
		"Database":      {func(c *config.Config) { c.Database = "mysql://u:s3cret@h/d" }, "database:"},
		"DatabaseEmpty": {func(c *config.Config) { c.Database = "sqlite:" }, "database:"},
		"DatabaseDSN":   {func(c *config.Config) { c.Database = "host=h password=s3cret" }, "database:"},
		"DataDir":       {func(c *config.Config) { c.DataDir = "" }, "data_dir:"},
		"VaultKeyFile":  {func(c *config.Config) { c.VaultKeyFile = "" }, "vault_key_file:"},
		"Mode":          {func(c *config.Config) { c.Mode = "" }, "mode:"},
		"KeyStore":      {func(c *config.Config) { c.KeyStore = "x" }, "key_store:"},
		"PKCS11":        {func(c *config.Config) { c.KeyStore, c.PKCS11Token, c.PKCS11PINFile = "pkcs11", "t", "p" }, "pkcs11_module:"},
		"SandboxIssuer": {func(c *config.Config) { c.SandboxIssuerListen = "x" }, "sandbox_issuer_listen:"},
		"IssuerSame":    {func(c *config.Config) { c.SandboxIssuerListen = c.SandboxSMSListen }, "sandbox_issuer_listen:"},
		"SandboxListen": {func(c *config.Config) { c.SandboxListen = "x" }, "sandbox_listen:"},
		"SandboxSame":   {func(c *config.Config) { c.SandboxListen = c.Listen }, "sandbox_listen:"},
		"Authority":     {func(c *config.Config) { c.AuthorityListen = "x" }, "authority_listen:"},
		"AuthoritySame": {func(c *config.Config) { c.AuthorityListen = c.SandboxListen }, "authority_listen:"},
		"Zone":          {func(c *config.Config) { c.Zone = "Asia/Changan" }, "zone:"},
		"ZoneLocal":     {func(c *config.Config) { c.Zone = "Local" }, "zone:"},
		"ZoneEmpty":     {func(c *config.Config) { c.Zone = "" }, "zone:"},
		"Jurisdiction":  {func(c *config.Config) { c.Jurisdiction = "us" }, "jurisdiction:"},
		"Currency":      {func(c *config.Config) { c.Currency = "RMB" }, "currency:"},
		"LogFormat":     {func(c *config.Config) { c.LogFormat = "xml" }, "log_format:"},
		"OTLPEndpoint":  {func(c *config.Config) { c.OTLPEndpoint = "localhost:4318" }, "otlp_endpoint:"},
		"GroupMax":      {func(c *config.Config) { c.GroupMax = 0 }, "group_max:"},
		"QueueMax":      {func(c *config.Config) { c.QueueMax = c.GroupMax - 1 }, "queue_max:"},
		"BodyMaxBytes":  {func(c *config.Config) { c.BodyMaxBytes = 0 }, "body_max_bytes:"},
		"Request":       {func(c *config.Config) { c.RequestTimeout = 0 }, "request_timeout:"},
		"Shutdown":      {func(c *config.Config) { c.ShutdownTimeout = 2 * time.Hour }, "shutdown_timeout:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := valid()
			test.spoil(&c)
			err := c.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("Validate = %v, want one problem, with %s", err, test.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("Validate shows a secret: %v", err)
			}
		})
	}
	t.Run("LiveHasNoSandbox", func(t *testing.T) {
		t.Parallel()
		c := valid()
		c.Mode, c.SandboxListen = config.Live, ""
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	})
}

func TestShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	c := valid()
	c.Database = "postgres://feiqian:s3cret@db/books"
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("settings", slog.Any("config", c))
	for way, text := range map[string]string{
		"Lines": strings.Join(c.Lines(), "\n"), "%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", &c),
		"%#v": fmt.Sprintf("%#v", c), "log": log.String(),
	} {
		if strings.Contains(text, "s3cret") || !strings.Contains(text, "postgres://feiqian:***@db/books") {
			t.Errorf("%s shows %s", way, text)
		}
	}
	if lines := c.Lines(); len(lines) != 32 || lines[0] != "listen = 127.0.0.1:8080" {
		t.Errorf("Lines = %q", lines)
	}
}

func TestLocation(t *testing.T) {
	t.Parallel()
	zone, err := config.Default().Location()
	if err != nil || zone.String() != "Asia/Shanghai" {
		t.Errorf("Location = %v, %v", zone, err)
	}
}

func TestProxies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "[]", " , ": "[]", "10.1.2.3/8": "[10.0.0.0/8]", "127.0.0.1, ::1": "[127.0.0.1/32 ::1/128]", "fd00::/8": "[fd00::/8]",
	} {
		c := valid()
		c.TrustedProxies = text
		if got, err := c.Proxies(); err != nil || fmt.Sprint(got) != want {
			t.Errorf("Proxies of %q = %v, %v, want %s", text, got, err, want)
		}
	}
}

// TestSettingsPage wants a row for every setting on the page for operators.
func TestSettingsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(flags)
	rows := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `--") {
			for word := range strings.SplitSeq(strings.Split(line, "|")[1], "`") {
				rows[word] = true
			}
		}
	}
	flags.VisitAll(func(flag *pflag.Flag) {
		if !rows["--"+flag.Name] {
			t.Errorf("docs/operating.md has no row for --%s", flag.Name)
		}
	})
}
