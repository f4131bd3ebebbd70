package api_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
)

func TestBody(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	answer := apitest.Call(t, server, post(`{"currency":"CNY","amount":1999,"reference":"\u8ba2单 \"1\"","method":"card",
		"lines":[{"amount":1,"currency":"CNY","name":"tea"}],"payer":"cus_01kanq4j3qf8yt0v5d7r2m9xce","urgent":true,
		"expires_at":"2026-11-22T16:30:00.1234567+08:00","day":"2028-02-29","metadata":{"a":"b"},"note":"hi",
		"email":"a@example.com"}`))
	var got receipt
	answer.JSON(t, &got)
	if answer.Status != 201 || got.Reference != `订单 "1"` || got.Minor != 1999 || len(got.Lines) != 1 || *got.Note != "hi" {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
	answer = apitest.Call(t, server, post(`{"amount":1,"currency":"JPY","reference":"x","r\u0065ference":"y"}`))
	answer.Problem(t, 400, "request.duplicate_field")
	answer = apitest.Call(t, server, post(`{"\u0061mount":1,"currency":"JPY","reference":"x","note":null}`))
	if answer.Status != 201 {
		t.Errorf("a name with escapes and a null where it may be: %s", answer.Body)
	}
}

func TestBodyRefused(t *testing.T) {
	t.Parallel()
	with := func(members string) string { return strings.TrimSuffix(goodBody, "}") + "," + members + "}" }
	const tea = `{"amount":1,"currency":"CNY","name":"tea"}`
	amount := func(value string) string { return `{"amount":` + value + `,"currency":"CNY","reference":"x"}` }
	for name, test := range map[string]struct{ body, code, param string }{
		"Empty":             {"", "request.body_missing", ""},
		"NoObject":          {"[]", "request.bad_field", ""},
		"Null":              {"null", "request.bad_field", ""},
		"Garbage":           {"hello", "request.bad_json", ""},
		"Cut":               {goodBody[:len(goodBody)-1], "request.bad_json", ""},
		"CutInName":         {`{"amo`, "request.bad_json", ""},
		"Trailing":          {goodBody + "{}", "request.bad_json", ""},
		"TrailingComma":     {strings.TrimSuffix(goodBody, "}") + ",}", "request.bad_json", ""},
		"NotUTF8":           {with("\"note\":\"\xff\""), "request.bad_encoding", ""},
		"LoneSurrogate":     {with(`"note":"\ud800"`), "request.bad_json", ""},
		"Zero":              {with(`"note":"\u0000"`), "request.bad_encoding", "note"},
		"ZeroInName":        {with(`"metadata":{"\u0000":"x"}`), "request.bad_encoding", "metadata"},
		"Unknown":           {with(`"notes":"x"`), "request.unknown_field", "notes"},
		"OtherCase":         {with(`"Method":"card"`), "request.unknown_field", "Method"},
		"UnknownBelow":      {with(`"lines":[` + tea + `,{"x":1}]`), "request.unknown_field", "lines[1].x"},
		"Duplicate":         {with(`"amount":1`), "request.duplicate_field", "amount"},
		"DuplicateBelow":    {with(`"metadata":{"a":"b","a":"c"}`), "request.duplicate_field", "metadata.a"},
		"Missing":           {`{"amount":1,"currency":"CNY"}`, "request.missing_field", "reference"},
		"MissingBelow":      {with(`"lines":[{"amount":1,"currency":"CNY"}]`), "request.missing_field", "lines[0].name"},
		"AmountString":      {amount(`"1999"`), "request.bad_field", "amount"},
		"AmountNull":        {amount(`null`), "request.bad_field", "amount"},
		"AmountFraction":    {amount(`19.99`), "request.bad_field", "amount"},
		"AmountPointZero":   {amount(`19.0`), "request.bad_field", "amount"},
		"AmountExponent":    {amount(`1e3`), "request.bad_field", "amount"},
		"AmountBool":        {amount(`true`), "request.bad_field", "amount"},
		"AmountObject":      {amount(`{}`), "request.bad_field", "amount"},
		"AmountZero":        {amount(`0`), "request.bad_field", "amount"},
		"AmountNegative":    {amount(`-1`), "request.bad_field", "amount"},
		"AmountMinusZero":   {amount(`-0`), "request.bad_field", "amount"},
		"AmountTooBig":      {amount(`9007199254740992`), "request.bad_field", "amount"},
		"AmountOverflow":    {amount(`99999999999999999999`), "request.bad_field", "amount"},
		"AmountOctal":       {amount(`010`), "request.bad_field", "amount"},
		"AmountBelow":       {with(`"lines":[{"amount":0}]`), "request.bad_field", "lines[0].amount"},
		"CurrencyUnknown":   {`{"amount":1,"currency":"XXX","reference":"x"}`, "money.unknown_currency", "currency"},
		"CurrencyLowerCase": {`{"amount":1,"currency":"cny","reference":"x"}`, "money.unknown_currency", "currency"},
		"TextEmpty":         {`{"amount":1,"currency":"CNY","reference":""}`, "request.bad_field", "reference"},
		"TextLong":          {with(`"note":"123456"`), "request.bad_field", "note"},
		"TextNull":          {with(`"method":null`), "request.bad_field", "method"},
		"Enum":              {with(`"method":"gold"`), "request.bad_field", "method"},
		"ID":                {with(`"payer":"mer_01kanq4j3qf8yt0v5d7r2m9xce"`), "request.bad_field", "payer"},
		"Bool":              {with(`"urgent":"true"`), "request.bad_field", "urgent"},
		"Time":              {with(`"expires_at":"2026-11-22 08:30"`), "request.bad_field", "expires_at"},
		"TimeTooEarly":      {with(`"expires_at":"0000-01-01T00:00:00Z"`), "request.bad_field", "expires_at"},
		"Day":               {with(`"day":"2027-02-29"`), "request.bad_field", "day"},
		"List":              {with(`"lines":{}`), "request.bad_field", "lines"},
		"ListTooLong":       {with(`"lines":[` + strings.Repeat(tea+",", 3) + `0]`), "request.bad_field", "lines"},
		"DictionaryTooLong": {with(`"metadata":{"a":"","b":"","c":""}`), "request.bad_field", "metadata"},
		"DictionaryValue":   {with(`"metadata":{"a":1}`), "request.bad_field", "metadata.a"},
		"Format":            {with(`"email":"nobody"`), "request.bad_field", "email"},
		"Check":             {amount(`666`), "receipt.unlucky", "amount"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, _ := newServer(t)
			problem := apitest.Call(t, server, post(test.body)).Problem(t, 400, test.code)
			if problem.Param != test.param {
				t.Errorf("param %q, want %q", problem.Param, test.param)
			}
		})
	}
}

func TestBodyMedia(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	for media, status := range map[string]int{
		"application/json":                  201,
		"application/json; charset=utf-8":   201,
		"Application/JSON;charset=UTF-8":    201,
		"application/json; charset=gbk":     415,
		"application/x-www-form-urlencoded": 415,
		"text/plain":                        415,
		"application/problem+json":          415,
		"application/json, text/plain":      415,
		"":                                  415,
	} {
		call := post(goodBody)
		call.Header = map[string]string{"Content-Type": media}
		if answer := apitest.Call(t, server, call); answer.Status != status {
			t.Errorf("%q: status %d, want %d", media, answer.Status, status)
		}
	}
	call := post(goodBody)
	call.Header = map[string]string{"Content-Encoding": "gzip"}
	apitest.Call(t, server, call).Problem(t, 415, "request.unsupported_media_type")
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	padded := goodBody + strings.Repeat(" ", 64<<10-len(goodBody))
	if answer := apitest.Call(t, server, post(padded)); answer.Status != 201 {
		t.Errorf("64 KiB: %d %s", answer.Status, answer.Body)
	}
	apitest.Call(t, server, post(padded+" ")).Problem(t, 413, "request.too_large")
	// A body of unknown length, as with chunks.
	apitest.Call(t, server, post(io.MultiReader(strings.NewReader(padded), strings.NewReader(" ")))).
		Problem(t, 413, "request.too_large")
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestBodyIncomplete(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	apitest.Call(t, server, post(brokenReader{})).Problem(t, 400, "request.body_incomplete")
	// After a refused body, the pooled reader is as good as new.
	for range 3 {
		apitest.Call(t, server, post(`{"amount":`)).Problem(t, 400, "request.bad_json")
		if answer := apitest.Call(t, server, post(goodBody)); answer.Status != 201 {
			t.Errorf("%s", answer.Body)
		}
	}
}

func TestBodyUnexpected(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	call := fetch("/v1/receipts")
	call.Body = "{}"
	apitest.Call(t, server, call).Problem(t, 400, "request.unexpected_body")
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	for key, code := range map[string]string{
		"":                                   "request.idempotency_key_missing",
		"8e03978e":                           "",
		`"8e03978e"`:                         "",
		`"a\"b\\c"`:                          "",
		strings.Repeat("k", 255):             "",
		`"` + strings.Repeat("k", 255) + `"`: "",
		strings.Repeat("k", 256):             "request.idempotency_key_bad",
		`""`:                                 "request.idempotency_key_bad",
		`"open`:                              "request.idempotency_key_bad",
		`"a"b"`:                              "request.idempotency_key_bad",
		`"a\b"`:                              "request.idempotency_key_bad",
		`"a b"`:                              "request.idempotency_key_bad",
		"a b":                                "request.idempotency_key_bad",
		"钱":                                  "request.idempotency_key_bad",
	} {
		call := post(goodBody)
		call.Key = key
		answer := apitest.Call(t, server, call)
		if code != "" {
			if problem := answer.Problem(t, 400, code); problem.Param != "Idempotency-Key" {
				t.Errorf("param %q", problem.Param)
			}
		} else if answer.Status != 201 || answer.Header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%q: %d %s", key, answer.Status, answer.Body)
		}
	}
	for _, key := range []string{"again", `"again"`} {
		call := post(goodBody)
		call.Key = key
		if answer := apitest.Call(t, server, call); answer.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: a replay does not say so", key)
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	body, err := api.Encode(map[string]any{"b": "<&>", "a": []string(nil)})
	if err != nil || string(body) != `{"a":[],"b":"<&>"}` {
		t.Errorf("%s, %v", body, err)
	}
	if _, err := api.Encode("\xff"); err == nil {
		t.Error("text that is not UTF-8 was encoded")
	}
}
