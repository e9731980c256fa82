#!/usr/bin/env bash
# Tune XGBoost with the AWS CLI: files to S3, a job from JSON, tables, waits, logs, and errors.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
job=cli-$(date +%s)-$RANDOM
bucket=$job-data
region=$(aws configure get region || echo "$AWS_DEFAULT_REGION")
group=/aws/sagemaker/TrainingJobs

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# equal WHAT EXPECTED FOUND
equal() {
  [[ $3 == "$2" ]] || fail "$1: expected '$2', found '$3'"
}

# refused CODE TEXT COMMAND...: the command fails as the CLI fails for an error of the service.
refused() {
  local code=$1 text=$2 status=0
  aws "${@:3}" >refused.out 2>refused.err || status=$?
  cat refused.err >&2
  equal "exit status of aws $3 $4" 255 "$status"
  equal "stdout of aws $3 $4" "" "$(cat refused.out)"
  grep -qF "An error occurred ($code) when calling the" refused.err || fail "no $code"
  grep -qF -- "$text" refused.err || fail "no '$text'"
}

# --- files ---------------------------------------------------------------------------------------

rows() {
  awk -v seed="$1" -v count="$2" 'BEGIN { srand(seed); for (i = 0; i < count; i++) {
    x = rand() - 0.5; y = rand() - 0.5; z = rand() - 0.5
    print (x - 2 * y + 0.3 * z > 0) "," x "," y "," z } }'
}
mkdir -p data/train data/validation
rows 1 300 >data/train/rows.csv
rows 2 100 >data/validation/rows.csv

aws s3 mb "s3://$bucket"
aws s3 sync data "s3://$bucket/data" --no-progress
equal "second sync" "" "$(aws s3 sync data "s3://$bucket/data" --no-progress)"
aws s3 cp "s3://$bucket/data/train/rows.csv" copied.csv --no-progress
cmp copied.csv data/train/rows.csv
equal "streamed copy" hello \
  "$(echo hello | aws s3 cp - "s3://$bucket/hello.txt" && aws s3 cp "s3://$bucket/hello.txt" -)"
aws s3 mv "s3://$bucket/hello.txt" "s3://$bucket/moved/hello world.txt" --no-progress
aws s3 ls "s3://$bucket/" --recursive --summarize | tee listing
grep -q 'moved/hello world.txt' listing
grep -q 'Total Objects: 3' listing
aws s3 ls | grep -qF "$bucket"
link=$(aws s3 presign "s3://$bucket/data/train/rows.csv" --expires-in 60)
python3 -c 'import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1], timeout=20).read())' \
  "$link" | cmp - data/train/rows.csv

# --- a tuning job --------------------------------------------------------------------------------

channel() {
  cat <<JSON
{"ChannelName": "$1", "ContentType": "text/csv", "DataSource": {"S3DataSource": {
  "S3DataType": "S3Prefix", "S3Uri": "s3://$bucket/data/$1/",
  "S3DataDistributionType": "FullyReplicated"}}}
JSON
}
cat >job.json <<JSON
{
  "HyperParameterTuningJobName": "$job",
  "HyperParameterTuningJobConfig": {
    "Strategy": "SkoptGP",
    "RandomSeed": 3,
    "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
    "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
    "ParameterRanges": {
      "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.01", "MaxValue": "0.5"}],
      "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "6"}]
    }
  },
  "TrainingJobDefinition": {
    "StaticHyperParameters": {
      "objective": "binary:logistic", "eval_metric": "auc", "num_round": "10"
    },
    "AlgorithmSpecification": {
      "TrainingImage": "246618743249.dkr.ecr.$region.amazonaws.com/sagemaker-xgboost:1.7-1",
      "TrainingInputMode": "File"
    },
    "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
    "InputDataConfig": [$(channel train), $(channel validation)],
    "OutputDataConfig": {"S3OutputPath": "s3://$bucket/output"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600}
  }
}
JSON
arn=$(aws sagemaker create-hyper-parameter-tuning-job --cli-input-json file://job.json \
  --tags Key=team,Value="$job" --query HyperParameterTuningJobArn --output text)
[[ $arn == arn:aws:sagemaker:$region:*:hyper-parameter-tuning-job/$job ]] || fail "$arn"
refused ResourceInUse "already exists. Choose a different name." \
  sagemaker create-hyper-parameter-tuning-job --cli-input-json file://job.json

for _ in $(seq 60); do
  status=$(aws sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name \
    "$job" --query HyperParameterTuningJobStatus --output text)
  [[ $status == InProgress ]] || break
  sleep 1
done
equal "status of the tuning job" Completed "$status"

# --- its training jobs ---------------------------------------------------------------------------

equal "pages of one" 3 "$(aws sagemaker list-training-jobs-for-hyper-parameter-tuning-job \
  --hyper-parameter-tuning-job-name "$job" --page-size 1 \
  --query 'length(TrainingJobSummaries)')"
aws sagemaker list-training-jobs-for-hyper-parameter-tuning-job --max-items 1 \
  --hyper-parameter-tuning-job-name "$job" --output json >first.json
grep -q '"NextToken"' first.json
grep -qF "\"TrainingJobName\": \"$job-001-" first.json
best=$(aws sagemaker list-training-jobs-for-hyper-parameter-tuning-job \
  --hyper-parameter-tuning-job-name "$job" --sort-by FinalObjectiveMetricValue \
  --sort-order Descending --query 'TrainingJobSummaries[0].TrainingJobName' --output text)
equal "best training job" "$best" "$(aws sagemaker describe-hyper-parameter-tuning-job \
  --hyper-parameter-tuning-job-name "$job" --query BestTrainingJob.TrainingJobName --output text)"
aws sagemaker list-hyper-parameter-tuning-jobs --name-contains "$job" --output table | tee table
grep -qF "$job" table
equal "training jobs of this name" 3 \
  "$(aws sagemaker list-training-jobs --name-contains "$job" --status-equals Completed \
    --query 'length(TrainingJobSummaries)')"
aws sagemaker wait training-job-completed-or-stopped --training-job-name "$best"
equal "found by search" "$best" "$(aws sagemaker search --resource TrainingJob \
  --search-expression "{\"Filters\": [{\"Name\": \"TrainingJobName\", \"Operator\": \"Equals\",
    \"Value\": \"$best\"}]}" --query 'Results[].TrainingJob.TrainingJobName' --output text)"
equal "tag" "$job" "$(aws sagemaker list-tags --resource-arn "$arn" \
  --query "Tags[?Key=='team'].Value" --output text)"

model=$(aws sagemaker describe-training-job --training-job-name "$best" \
  --query ModelArtifacts.S3ModelArtifacts --output text)
aws s3 cp "$model" model.tar.gz --no-progress
tar tzf model.tar.gz | grep -qx 'xgboost-model\|./xgboost-model'

# --- logs and metrics ----------------------------------------------------------------------------

stream=$(aws logs describe-log-streams --log-group-name "$group" \
  --log-stream-name-prefix "$best/" --query 'logStreams[].logStreamName' --output text)
[[ $stream == "$best"/algo-1-* ]] || fail "$stream"
equal "rounds in the log" 10 "$(aws logs get-log-events --log-group-name "$group" \
  --log-stream-name "$stream" --start-from-head --query 'events[].message' --output json |
  grep -c 'validation-auc')"
equal "rounds of all training jobs" 30 "$(aws logs filter-log-events --log-group-name "$group" \
  --log-stream-name-prefix "$job-" --filter-pattern '"validation-auc"' \
  --query 'events[].message' --output json | grep -c 'validation-auc')"
aws cloudwatch get-metric-statistics --namespace "$group" --metric-name validation:auc \
  --dimensions "Name=TrainingJobName,Value=$best" --period 60 --statistics Maximum SampleCount \
  --start-time "$(python3 -c 'import datetime as d; print((d.datetime.now(d.timezone.utc) - d.timedelta(hours=1)).isoformat())')" \
  --end-time "$(python3 -c 'import datetime as d; print((d.datetime.now(d.timezone.utc) + d.timedelta(hours=1)).isoformat())')" \
  --query 'sum(Datapoints[].SampleCount)' --output text | tee samples
equal "metric points" 10.0 "$(cat samples)"
aws cloudwatch list-metrics --namespace "$group" --query 'Metrics[].MetricName' --output text |
  grep -q 'validation:auc'

# --- a job that is stopped -----------------------------------------------------------------------

sed "s/\"num_round\": \"10\"/\"num_round\": \"1000000\"/; s/\"$job\"/\"$job-long\"/" job.json >long.json
aws sagemaker create-hyper-parameter-tuning-job --cli-input-json file://long.json >/dev/null
refused ValidationException "not in a terminal state" \
  sagemaker delete-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name "$job-long"
aws sagemaker stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name "$job-long"
for _ in $(seq 60); do
  status=$(aws sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name \
    "$job-long" --query HyperParameterTuningJobStatus --output text)
  [[ $status == Stopping ]] || break
  sleep 1
done
equal "status of the stopped job" Stopped "$status"
aws sagemaker delete-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name "$job-long"

# --- errors --------------------------------------------------------------------------------------

refused ResourceNotFound "" \
  sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name nobody
refused ValidationException "Requested resource not found." \
  sagemaker describe-training-job --training-job-name nobody
sed "s/\"SkoptGP\"/\"Guess\"/; s/\"$job\"/\"$job-guess\"/" job.json >guess.json
refused ValidationException "Member must satisfy enum value set: [" \
  sagemaker create-hyper-parameter-tuning-job --cli-input-json file://guess.json
refused UnknownOperationException StartNotebookInstance \
  sagemaker start-notebook-instance --notebook-instance-name notebook
refused NoSuchBucket "" s3api list-objects-v2 --bucket "$bucket-none"
status=0
aws sagemaker wait training-job-completed-or-stopped --training-job-name nobody 2>wait.err || status=$?
equal "exit status of a wait for nobody" 255 "$status"
grep -qF "Waiter TrainingJobCompletedOrStopped failed" wait.err

# --- who and where -------------------------------------------------------------------------------

account=$(aws sts get-caller-identity --query Account --output text)
[[ $arn == *:"$account":* ]] || fail "$account is not in $arn"
aws iam get-role --role-name SageMakerRole --query Role.Arn --output text | grep -qF "$account"
aws ecr describe-repositories --query 'length(repositories)' >/dev/null

aws s3 rb "s3://$bucket" --force
refused NoSuchBucket "" s3api list-objects-v2 --bucket "$bucket"
echo done
