package standalone

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"plimsoll/internal/config"
)

// Config is the `standalone` section of the configuration.
type Config struct {
	DataDir        string        `yaml:"data_dir" doc:"Where everything is kept. Empty means a folder of the current user."`
	PostgresBinDir string        `yaml:"postgres_bin_dir" doc:"Folder with initdb and postgres. Empty means: search PATH and the usual places."`
	TemporalBin    string        `yaml:"temporal_bin" doc:"The temporal command. Empty means: search, and build it once when Go is installed."`
	StartTimeout   time.Duration `yaml:"start_timeout" doc:"How long one server may take to become ready, crash recovery included."`
	StopTimeout    time.Duration `yaml:"stop_timeout" doc:"How long one server may take to stop before it is killed."`
}

// DefaultConfig returns the settings of a laptop.
func DefaultConfig() Config {
	return Config{StartTimeout: 2 * time.Minute, StopTimeout: 20 * time.Second}
}

// Validate reports what is wrong with the section.
func (c Config) Validate() error {
	if c.StartTimeout <= 0 || c.StopTimeout <= 0 {
		return fmt.Errorf("start_timeout and stop_timeout: must be positive, are %s and %s", c.StartTimeout, c.StopTimeout)
	}
	return nil
}

// Servers says what of the infrastructure already exists. An empty address
// means that Start has to run that server itself.
type Servers struct {
	DatabaseURL     config.SecretURL
	TemporalAddress string
	RedisURL        config.SecretURL
	// TemporalUIAddr is where the web page of our own Temporal listens.
	TemporalUIAddr string
	// Namespace is the Temporal namespace to create.
	Namespace string
}

// DefaultDataDir returns the per-user folder that the platform foresees for
// application data.
func DefaultDataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "plimsoll"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a data directory (name one with --data-dir): %w", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "plimsoll"), nil
	}
	return filepath.Join(home, ".local", "share", "plimsoll"), nil
}
