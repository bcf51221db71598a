package log_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"plimsoll/internal/log"
)

func TestLoggerOfContextAddsItsFields(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, err := log.New(log.Config{Level: "info", Format: log.FormatJSON}, &out)
	if err != nil {
		t.Fatal(err)
	}
	ctx := log.With(log.Into(context.Background(), logger), zap.String(log.KeyAccount, "acme"))
	log.From(ctx).Debug("below the level")
	log.From(ctx).Info("analysis started", zap.Duration(log.KeyDuration, 1500*time.Millisecond))

	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("want exactly one JSON line, got %q: %v", out.String(), err)
	}
	for key, want := range map[string]any{"msg": "analysis started", "account": "acme", "duration": "1.5s", "level": "info"} {
		if line[key] != want {
			t.Errorf("field %s = %v, want %v", key, line[key], want)
		}
	}
	if stamp, _ := line["time"].(string); !strings.Contains(stamp, "T") {
		t.Errorf("time = %v, want RFC 3339", line["time"])
	}
}

func TestConsoleFormatIsForPeople(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, err := log.New(log.Config{Level: "debug", Format: log.FormatConsole}, &out)
	if err != nil {
		t.Fatal(err)
	}
	logger.Debug("feed synced")
	if got := out.String(); !strings.Contains(got, "DEBUG\tfeed synced") {
		t.Errorf("console line %q", got)
	}
}

func TestContextWithoutLoggerIsSilent(t *testing.T) {
	t.Parallel()
	if core := log.From(context.Background()).Core(); core.Enabled(zap.ErrorLevel) {
		t.Error("a context without a logger must not write")
	}
}

func TestValidateReportsEveryFault(t *testing.T) {
	t.Parallel()
	err := log.Config{Level: "loud", Format: "xml"}.Validate()
	if err == nil || !strings.Contains(err.Error(), "loud") || !strings.Contains(err.Error(), "xml") {
		t.Errorf("Validate() = %v, want both faults", err)
	}
	if err := log.DefaultConfig().Validate(); err != nil {
		t.Errorf("defaults are refused: %v", err)
	}
}
