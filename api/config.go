package api

import (
	"errors"
	"fmt"
	"time"
)

// Config is the `api` section of the configuration.
type Config struct {
	Addr                  string        `yaml:"addr" doc:"Address the API listens on, as host:port."`
	MaxBodyBytes          int64         `yaml:"max_body_bytes" doc:"Largest request body in bytes."`
	MaxImportContentBytes int64         `yaml:"max_import_content_bytes" doc:"Largest document uploaded for an image import, in bytes."`
	MaxFeedUploadBytes    int64         `yaml:"max_feed_upload_bytes" doc:"Largest feed bundle or document that may be uploaded, in bytes."`
	ImportLifetime        time.Duration `yaml:"import_lifetime" doc:"How long an image import may wait to be finished; its documents are removed then."`
	RequestTimeout        time.Duration `yaml:"request_timeout" doc:"How long the server works on one request."`
	ResolveTimeout        time.Duration `yaml:"resolve_timeout" doc:"How long adding an image or checking a registry credential waits for a worker."`
	FeedSyncWait          time.Duration `yaml:"feed_sync_wait" doc:"How long a request for a feed synchronisation waits for its end; the synchronisation goes on afterwards."`
	EvaluationTTL         time.Duration `yaml:"evaluation_ttl" doc:"How long at most a stored verdict answers a policy check while nothing it rests on changes; 0 evaluates each time."`
	MaxCompressedMiB      int           `yaml:"max_compressed_image_size_mb" doc:"Largest image that may be added, as the registry sends it, in MiB; 0 refuses every image, a negative number none."`
	UserBaseImages        bool          `yaml:"enable_user_base_image" doc:"Let images that users annotated with anchore.user/marked_base_image=true count as base images before any other ancestor."`
	SBOMLicenseTexts      bool          `yaml:"sbom_license_texts" doc:"Write into SBOMs what packages state as the text of a licence; without it only names of licences are written."`
	CompatVersion         string        `yaml:"compat_version" doc:"Product version told to agents that refuse to work with servers older than 5.11; not the version of this build."`
	// VexAuthor signs VEX documents; empty means the account. It comes from the section of VEX.
	VexAuthor string `yaml:"-"`
	// SquashedFindings leaves out of lists what searches found in files of lower layers that are gone. It comes from the
	// section of the analysis, whose setting it is.
	SquashedFindings bool `yaml:"-"`
}

// DefaultConfig returns the settings of an installation that nobody tuned.
func DefaultConfig() Config {
	return Config{
		Addr:                  "127.0.0.1:8228",
		MaxBodyBytes:          32 << 20,
		MaxImportContentBytes: 100 << 20,
		MaxFeedUploadBytes:    4 << 30,
		ImportLifetime:        24 * time.Hour,
		RequestTimeout:        60 * time.Second,
		ResolveTimeout:        30 * time.Second,
		FeedSyncWait:          30 * time.Minute,
		EvaluationTTL:         time.Hour,
		MaxCompressedMiB:      -1,
		UserBaseImages:        true,
		SBOMLicenseTexts:      true,
		CompatVersion:         "5.20.0",
	}
}

// Validate reports every fault of the section.
func (c Config) Validate() error {
	var faults []error
	for name, d := range map[string]time.Duration{
		"request_timeout": c.RequestTimeout, "resolve_timeout": c.ResolveTimeout, "feed_sync_wait": c.FeedSyncWait, "import_lifetime": c.ImportLifetime,
	} {
		if d <= 0 {
			faults = append(faults, fmt.Errorf("%s: must be positive, is %s", name, d))
		}
	}
	if c.EvaluationTTL < 0 {
		faults = append(faults, fmt.Errorf("evaluation_ttl: must not be negative, is %s", c.EvaluationTTL))
	}
	if c.MaxBodyBytes <= 0 {
		faults = append(faults, fmt.Errorf("max_body_bytes: must be positive, is %d", c.MaxBodyBytes))
	}
	if c.MaxImportContentBytes <= 0 {
		faults = append(faults, fmt.Errorf("max_import_content_bytes: must be positive, is %d", c.MaxImportContentBytes))
	}
	if c.MaxFeedUploadBytes <= 0 {
		faults = append(faults, fmt.Errorf("max_feed_upload_bytes: must be positive, is %d", c.MaxFeedUploadBytes))
	}
	if c.ResolveTimeout >= c.RequestTimeout {
		faults = append(faults, errors.New("resolve_timeout: must be shorter than request_timeout"))
	}
	if c.Addr == "" {
		faults = append(faults, errors.New("addr: must be host:port"))
	}
	return errors.Join(faults...)
}
