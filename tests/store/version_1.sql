BEGIN TRANSACTION;
CREATE TABLE document (key BLOB PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL);
INSERT INTO "document" VALUES(X'E67AAA4A6CA22163A409FDBB5F5FC09D','TuningJobRequest','{"hyper_parameter_tuning_job_name":"Tune","hyper_parameter_tuning_job_config":{"strategy":"Random","resource_limits":{"max_parallel_training_jobs":2}},"training_job_definition":{"algorithm_specification":{"training_input_mode":"File","training_image":"image","metric_definitions":[{"name":"loss","regex":"loss=(.*)"}]},"role_arn":"arn:aws:iam::123456789012:role/Role","output_data_config":{"s3_output_path":"s3://bucket/out"},"stopping_condition":{"max_runtime_in_seconds":60},"resource_config":{"instance_type":"ml.m5.large","instance_count":1},"environment":{"A":"1"},"static_hyper_parameters":{"_tuning_objective_metric":"loss","epochs":"3"}}}');
INSERT INTO "document" VALUES(X'56E5EDDFA8511B28F93C4B6251645A13','HyperParameterTrainingJobDefinition','{"algorithm_specification":{"training_input_mode":"File","training_image":"image","metric_definitions":[{"name":"loss","regex":"loss=(.*)"}]},"role_arn":"arn:aws:iam::123456789012:role/Role","output_data_config":{"s3_output_path":"s3://bucket/out"},"stopping_condition":{"max_runtime_in_seconds":60},"resource_config":{"instance_type":"ml.m5.large","instance_count":1},"environment":{"A":"1"},"static_hyper_parameters":{"_tuning_objective_metric":"loss","epochs":"3"}}');
CREATE TABLE log_offset (
            job_id INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            PRIMARY KEY (job_id, attempt)) WITHOUT ROWID;
INSERT INTO "log_offset" VALUES(2,1,100);
CREATE TABLE meta (name TEXT PRIMARY KEY, value);
INSERT INTO "meta" VALUES('schema',1);
INSERT INTO "meta" VALUES('home_id','0123456789abcdef0123456789abcdef');
INSERT INTO "meta" VALUES('last_id',2);
CREATE TABLE metric_point (
            job_id INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            value REAL,
            time REAL NOT NULL,
            host TEXT NOT NULL,
            PRIMARY KEY (job_id, attempt, position)) WITHOUT ROWID;
INSERT INTO "metric_point" VALUES(2,1,1,'loss',0.1,1002.0,'algo-1');
CREATE TABLE tag (
            arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, UNIQUE (arn, key));
INSERT INTO "tag" VALUES('arn:aws:sagemaker:us-west-2:123456789012:hyper-parameter-tuning-job/tune','k','v');
CREATE TABLE training_job (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL,
            creation_time REAL NOT NULL,
            last_modified_time REAL NOT NULL,
            status TEXT NOT NULL,
            tuning_job_id INTEGER,
            objective_value REAL,
            spec BLOB NOT NULL,
            body TEXT NOT NULL);
INSERT INTO "training_job" VALUES(2,'123456789012','us-west-2','Train','train',1000.1,1003.7,'InProgress',1,0.1,X'56E5EDDFA8511B28F93C4B6251645A13','{"resources":{"cpus":2,"memory_mib":1024,"gpus":0},"number":0,"tuned":{"x":"0.25"},"memo":{"kernel":[0.1,1e-300],"note":null},"attempt":1,"secondary_status":"Training","transitions":[["Starting",1000.1,"Starting the training job",1001.25],["Training",1001.25,"Training",null]],"metrics":[["loss",0.1,1002.0,"algo-1"]],"objective_status":"Pending","failure":{"kind":"AlgorithmError","text":"exit code 1"},"objective_value":0.1,"beside_static":{"x":"0.25"}}');
CREATE TABLE tuning_job (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL,
            creation_time REAL NOT NULL,
            last_modified_time REAL NOT NULL,
            status TEXT NOT NULL,
            request BLOB NOT NULL,
            body TEXT NOT NULL);
INSERT INTO "tuning_job" VALUES(1,'123456789012','us-west-2','Tune','tune',1000.5,1000.5,'InProgress',X'E67AAA4A6CA22163A409FDBB5F5FC09D','{"seed":7,"resources":{"cpus":1,"memory_mib":1024,"gpus":0},"progress":{"counters":{"completed":0,"in_progress":0,"retryable_error":0,"non_retryable_error":0,"stopped":0,"objective_succeeded":0,"objective_pending":0,"objective_failed":0},"not_improving":0,"last_completion_order":0}}');
CREATE UNIQUE INDEX tuning_job_by_name ON tuning_job (account, region, name_key);
CREATE INDEX tuning_job_by_creation_time
            ON tuning_job (account, region, creation_time);
CREATE INDEX tuning_job_by_status ON tuning_job (account, region, status);
CREATE INDEX tuning_job_request ON tuning_job (request);
CREATE UNIQUE INDEX training_job_by_name ON training_job (account, region, name_key);
CREATE INDEX training_job_by_creation_time
            ON training_job (account, region, creation_time);
CREATE INDEX training_job_by_status ON training_job (account, region, status);
CREATE INDEX training_job_spec ON training_job (spec);
CREATE INDEX training_job_of_by_name ON training_job (tuning_job_id, name_key)
            WHERE tuning_job_id IS NOT NULL;
CREATE INDEX training_job_of_by_creation_time
            ON training_job (tuning_job_id, creation_time) WHERE tuning_job_id IS NOT NULL;
CREATE INDEX training_job_of_by_status ON training_job (tuning_job_id, status)
            WHERE tuning_job_id IS NOT NULL;
CREATE INDEX training_job_of_by_objective_value
            ON training_job (tuning_job_id, objective_value)
            WHERE tuning_job_id IS NOT NULL AND objective_value IS NOT NULL;
CREATE INDEX training_job_plain_active ON training_job (status)
            WHERE tuning_job_id IS NULL AND status IN ('InProgress', 'Stopping');
COMMIT;
