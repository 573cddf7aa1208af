-- What subscribers are filtered by. Networks have a million of them: no filter reads them all.
CREATE INDEX subscribers_by_state ON objects (network, json_extract(body, '$.state'), name) WHERE kind = 'subscribers';
CREATE INDEX subscribers_by_title ON objects (network, json_extract(body, '$.title'), name) WHERE kind = 'subscribers';
CREATE INDEX subscribers_by_msisdn ON objects (network, json_extract(body, '$.msisdn'), name)
    WHERE kind = 'subscribers' AND json_extract(body, '$.msisdn') IS NOT NULL;
CREATE INDEX subscribers_by_data_plan ON objects (network, json_extract(body, '$.data_plan'), name)
    WHERE kind = 'subscribers' AND json_extract(body, '$.data_plan') IS NOT NULL;
